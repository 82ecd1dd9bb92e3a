"""Where the five tables come from, one file each."""

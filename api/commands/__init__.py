"""The commands of `talentfeed`, one file each."""

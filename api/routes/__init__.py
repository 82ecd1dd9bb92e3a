"""HTTP routes, one file each."""

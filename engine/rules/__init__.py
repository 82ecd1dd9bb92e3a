"""The rules that refuse candidates, one file each."""

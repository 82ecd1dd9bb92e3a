"""The pools a feed is filled from, one file each."""

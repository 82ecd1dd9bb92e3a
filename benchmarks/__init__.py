"""Performance, measured: `make bench` runs every module of `MODULES` and prints one table."""

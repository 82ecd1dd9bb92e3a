"""The decision: no I/O, no clock, no global randomness."""

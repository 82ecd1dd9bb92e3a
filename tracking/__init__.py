"""Rows out: activity made durable, and what was learnt from it."""

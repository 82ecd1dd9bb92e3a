"""Rows in: tables from a source, cleaned, and the immutable snapshot that workers read."""

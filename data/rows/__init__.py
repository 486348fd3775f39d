"""Rows as tables: checks, hashes, splits and removals."""

"""Scores beside published ones."""

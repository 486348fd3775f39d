"""Harnesses of what runs while nobody looks."""

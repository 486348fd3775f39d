"""Weights and settings as files, and two sets of weights compared."""

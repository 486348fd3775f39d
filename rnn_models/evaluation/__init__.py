"""Scores of predictions, their significance, baselines and slices."""

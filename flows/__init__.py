"""Retraining flows: one file per schedule, and the command line."""

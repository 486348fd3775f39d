"""Outputs of a checkpoint on the test split to scores, baselines, samples and slices."""

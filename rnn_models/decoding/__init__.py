"""Predictions of a trained model: search, sampling and label probabilities."""

"""Tests of networks, training and metrics."""

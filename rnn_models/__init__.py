"""Ids to logits to loss to metrics: the networks, their training and their scores."""

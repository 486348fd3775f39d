"""Artifacts and their folders, code digests, locks and secrets."""

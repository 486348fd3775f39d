"""Predictions of registered versions: of one text or of files, here or in an own process."""

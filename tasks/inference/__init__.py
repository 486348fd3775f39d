"""Predictions of registered versions: one text, or files; in this process, or in an isolated one."""

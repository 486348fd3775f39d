"""Reliability and security: faults that are caused on purpose, and what became of them."""

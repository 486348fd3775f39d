"""Faults that are caused on purpose, and what is damaged, lost or stuck afterwards."""

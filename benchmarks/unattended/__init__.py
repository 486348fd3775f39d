"""Harnesses of a month without anybody: what goes wrong is found, and nothing else is reported."""

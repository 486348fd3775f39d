"""Speed and quality, measured; each module prints a table and leaves its figures in ``results/``."""

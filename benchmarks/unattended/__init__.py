"""A system that nobody watches: its pages, its nights, and its notices."""

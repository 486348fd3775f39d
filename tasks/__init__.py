"""The stages of the line: the only place with effects."""

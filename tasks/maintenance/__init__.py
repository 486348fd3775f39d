"""The content of the store: listed, and removed if it is not needed."""

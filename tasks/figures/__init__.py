"""The figures of a run and of pages, drawn by matplotlib."""

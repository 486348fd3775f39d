"""Formats, one module for each family; ``data.format.all_formats`` finds them by listing."""

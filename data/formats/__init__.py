"""Formats, one module for each family; ``data.formats.base.all_formats`` finds them by listing."""

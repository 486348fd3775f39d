"""Rows to ids: the catalog, sources, formats, checks, splits and tokenizers."""

"""Data that was read and must not be trained on."""

from data.errors import RowError


class RefusedDataError(RowError):
    """Too many rows were rejected, a split is empty, or the source changed beyond its limits."""

"""The data layer: speed, memory, damage and real datasets."""

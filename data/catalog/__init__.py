"""The catalog: its entries, read and checked."""

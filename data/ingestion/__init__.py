"""A source to the splits of a dataset, and the report about its rows."""

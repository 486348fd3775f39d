"""A simulated month of one dataset under ``refrain up``, with what goes wrong in a month."""

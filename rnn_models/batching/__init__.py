"""Examples to batches and to windows of a stream."""

"""What is checked; ``python -m tests`` checks all of it."""

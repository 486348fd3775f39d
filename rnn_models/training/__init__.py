"""The training loop: gradients, optimizer, validation, history and resume."""

"""How many threads compute: the last bits of a sum depend on it."""

import torch


def num_threads() -> int:
    """Threads of one operation in this process."""
    return int(torch.get_num_threads())

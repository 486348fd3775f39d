"""OpenNMT-py's training without a GPU.

Its check of options takes the minimum of the GPUs' memories, which is an empty list.
"""

import builtins
import sys

from onmt.bin.train import main

least = builtins.min


def least_or_zero(*values, **options):
    """``min`` that gives 0 of an empty list."""
    return (
        0
        if len(values) == 1 and isinstance(values[0], list) and not values[0]
        else least(*values, **options)
    )


if __name__ == "__main__":
    builtins.min = least_or_zero
    sys.exit(main())

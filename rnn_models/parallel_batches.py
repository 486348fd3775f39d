"""Several batches at once on a CPU, where one batch is too small for all threads.

Threads within one product wait for each other after each time step of a recurrence; threads with a
batch each never wait.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")
# Each batch takes memory of its own, and Python's lock lets one thread at a time start an
# operation.
MOST = 4


def map_in_threads(
    do: Callable[[Item], Result], items: Sequence[Item], device: torch.device
) -> list[Result]:
    """Apply a function to some items; a CPU works on several at a time.

    Args:
        do: Runs in inference mode. Its first error is raised here, and later items
            that have not started are not computed.
        items: Each is computed by one thread, with its share of torch's threads.
        device: Where ``do`` computes. A GPU gets one item after the other.

    Returns:
        The results, in the order of the items.
    """
    threads = torch.get_num_threads()
    num = min(threads, len(items), MOST) if device.type == "cpu" else 1

    def work(item: Item) -> Result:
        with torch.inference_mode():  # the mode belongs to the thread, not to the process
            return do(item)

    if num < 2:
        return [work(item) for item in items]
    ready = Barrier(num + 1)

    def begin() -> None:
        # The first call in a thread takes the number that any thread set last, so it comes before
        # this thread sets its own.
        torch.get_num_threads()
        # For this thread, and for new threads from now on.
        torch.set_num_threads(threads // num)
        ready.wait()

    # The pool ends with the call: one that stays would not survive a fork.
    with ThreadPoolExecutor(num, thread_name_prefix="refrain", initializer=begin) as pool:
        results = pool.map(work, items)
        ready.wait()
        torch.set_num_threads(threads)  # new threads have as many as before
        return list(results)

"""Several batches at once on a CPU, a thread or some each, where one batch has too little for all threads.

Two threads within a product meet after each time step; two batches never meet.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")
MOST = 4  # at once: each takes memory of its own, and Python's lock lets one at a time begin an operation


def in_order(
    do: Callable[[Item], Result], items: Sequence[Item], device: torch.device
) -> list[Result]:
    """The results for some items, in their order; on a CPU several are worked on at a time.

    Args:
        do: Is called in inference mode; an error of it is raised here, and what was not begun stays undone.
        items: Each is worked on by one thread alone, with its share of torch's threads.
        device: Where ``do`` computes. On a GPU it is asked in turn.
    """
    threads = torch.get_num_threads()
    num = min(threads, len(items), MOST) if device.type == "cpu" else 1

    def work(item: Item) -> Result:
        with torch.inference_mode():  # a mode is a thread's own
            return do(item)

    if num < 2:
        return [work(item) for item in items]
    ready = Barrier(num + 1)

    def begin() -> None:
        # when first asked, a thread takes the last number that any thread has set
        torch.get_num_threads()
        torch.set_num_threads(
            threads // num
        )  # of this thread, and of those that ask first from now on
        ready.wait()

    with ThreadPoolExecutor(num, thread_name_prefix="refrain", initializer=begin) as pool:
        results = pool.map(work, items)
        ready.wait()
        torch.set_num_threads(threads)  # those that ask first from now on have as many as before
        return list(results)

"""Streams whose items are made in threads, in order, ahead of their use."""

import contextvars
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import pyarrow as pa

Item = TypeVar("Item")
Made = TypeVar("Made")


def prefetch(items: Iterator[Item], depth: int = 2) -> Generator[Item, None, None]:
    """Yield the items of an iterator that runs in its own thread, at most ``depth`` items ahead.

    It saves time where making and using an item both release the GIL, as
    Arrow's reader and writer do. Errors of the iterator are raised here, and
    closing this generator closes the iterator. The thread has the context
    variables of the caller, so a log line knows its flow run.
    """
    made: queue.Queue[tuple[str, Any]] = queue.Queue(depth)
    is_over = threading.Event()

    def make() -> None:
        last: tuple[str, Any] = ("end", None)
        try:
            for item in items:
                if not _put(made, ("item", item), is_over):
                    break
            getattr(items, "close", lambda: None)()
        except BaseException as error:
            last = ("error", error)
        _put(made, last, is_over)

    thread = threading.Thread(
        target=contextvars.copy_context().run, args=(make,), name="ahead", daemon=True
    )
    thread.start()
    try:
        while (message := made.get())[0] == "item":
            yield message[1]
        if message[0] == "error":
            raise message[1]
    finally:
        is_over.set()
        thread.join()


def _put(
    made: "queue.Queue[tuple[str, Any]]", message: tuple[str, Any], is_over: threading.Event
) -> bool:
    """Wait for room and put a message; stop waiting when the consumer has ended."""
    while not is_over.is_set():
        try:
            made.put(message, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False


def use_jemalloc() -> None:
    """Let Arrow use jemalloc, where its build has it.

    Where one thread frees the memory of another, jemalloc holds some 60 MB
    less than Arrow's default, mimalloc.
    """
    if "jemalloc" in pa.supported_memory_backends():
        pa.set_memory_pool(pa.jemalloc_memory_pool())


def map_in_threads(
    work: Callable[[Item], Made], items: Iterable[Item], workers: int = 2
) -> Iterator[Made]:
    """Apply a function to each item in threads, and yield the results in order.

    At most ``workers`` items are in progress beside the one in use, so memory
    stays constant. It saves time where the work releases the GIL: one worker
    encodes while the other turns its last batch into arrays.
    """
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Made]] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

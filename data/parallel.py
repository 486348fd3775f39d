"""Items of a stream made in threads, in their order, while the last ones are worked on."""

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


def ahead(items: Iterator[Item], depth: int = 2) -> Generator[Item, None, None]:
    """Yield the items of an iterator that runs in a thread of its own, at most ``depth`` items ahead.

    Worth it where making and using an item both leave Python, as Arrow's
    reader and writer do. What the iterator raises is raised here. If this one
    is closed early, so is the other. Context variables are those of the
    caller, so a log line knows its flow run.
    """
    made: queue.Queue[tuple[str, Any]] = queue.Queue(depth)
    is_over = threading.Event()

    def make() -> None:
        said: tuple[str, Any] = ("end", None)
        try:
            for item in items:
                if not _put(made, ("item", item), is_over):
                    break
            getattr(items, "close", lambda: None)()
        except BaseException as error:
            said = ("error", error)
        _put(made, said, is_over)

    thread = threading.Thread(
        target=contextvars.copy_context().run, args=(make,), name="ahead", daemon=True
    )
    thread.start()
    try:
        while (said := made.get())[0] == "item":
            yield said[1]
        if said[0] == "error":
            raise said[1]
    finally:
        is_over.set()
        thread.join()


def _put(
    made: "queue.Queue[tuple[str, Any]]", said: tuple[str, Any], is_over: threading.Event
) -> bool:
    """Wait for room, unless nobody wants the rest any more."""
    while not is_over.is_set():
        try:
            made.put(said, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False


def spare_memory() -> None:
    """Let Arrow use jemalloc, where its build has it.

    Where one thread frees what another made, it holds some 60 MB less than
    Arrow's own choice, mimalloc.
    """
    if "jemalloc" in pa.supported_memory_backends():
        pa.set_memory_pool(pa.jemalloc_memory_pool())


def side_by_side(
    work: Callable[[Item], Made], items: Iterable[Item], workers: int = 2
) -> Iterator[Made]:
    """Do some work on each item in threads, and give the results in the items' order.

    At most ``workers`` items are under way beside the one in use, so memory
    stays what it is. It pays where the work leaves Python's lock: two workers
    encode while one of them turns its last batch into arrays.
    """
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Made]] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

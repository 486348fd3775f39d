"""The next items of a stream made in a thread, while the last ones are worked on."""

import queue
import threading
from collections.abc import Iterator
from typing import Any, TypeVar

Item = TypeVar("Item")


def ahead(items: Iterator[Item], depth: int = 2) -> Iterator[Item]:
    """Yield the items of an iterator that runs in a thread of its own, at most ``depth`` items ahead.

    Worth it where making and using an item both leave Python, as Arrow's
    reader and writer do. What the iterator raises is raised here. If this one
    is closed early, so is the other.
    """
    made: queue.Queue[tuple[str, Any]] = queue.Queue(depth)
    is_over = threading.Event()

    def make() -> None:
        said: tuple[str, Any] = ("end", None)
        try:
            for item in items:
                if not _put(made, ("item", item), is_over):
                    return
        except BaseException as error:
            said = ("error", error)
        finally:
            getattr(items, "close", lambda: None)()
        _put(made, said, is_over)

    thread = threading.Thread(target=make, name="ahead", daemon=True)
    thread.start()
    try:
        while (said := made.get())[0] == "item":
            yield said[1]
        if said[0] == "error":
            raise said[1]
    finally:
        is_over.set()
        thread.join()


def _put(made: "queue.Queue[tuple[str, Any]]", said: tuple[str, Any], is_over: threading.Event) -> bool:
    """Wait for room, unless nobody wants the rest any more."""
    while not is_over.is_set():
        try:
            made.put(said, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False

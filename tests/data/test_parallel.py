import contextvars
import threading
import time
from collections.abc import Iterator

import pytest

from data.parallel import prefetch

NAMED: contextvars.ContextVar[str] = contextvars.ContextVar("named")


def wait_until(is_so: threading.Event) -> None:
    assert is_so.wait(10)


def test_items_keep_their_order() -> None:
    assert list(prefetch(iter(range(1000)))) == list(range(1000))


def test_empty_stream_gives_no_items() -> None:
    assert list(prefetch(iter(()))) == []


def test_next_item_is_made_while_the_last_is_processed() -> None:
    is_begun = threading.Event()

    def items() -> Iterator[int]:
        yield 0
        is_begun.set()
        yield 1

    stream = prefetch(items())
    assert next(stream) == 0
    wait_until(is_begun)
    assert list(stream) == [1]


def test_number_of_items_made_ahead_is_limited() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    stream = prefetch(items(), depth=3)
    next(stream)
    time.sleep(0.3)  # as much as it would take to run far ahead
    assert len(taken) <= 5  # one in use, three that wait, one that finds no room
    stream.close()


class OwnError(Exception):
    pass


def test_error_is_raised_in_the_reader_with_its_type_after_earlier_items() -> None:
    def items() -> Iterator[int]:
        yield 0
        raise OwnError("at one")

    stream = prefetch(items())
    assert next(stream) == 0
    with pytest.raises(OwnError, match="at one"):
        next(stream)


def test_early_stop_closes_the_stream_and_ends_its_thread() -> None:
    is_closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            is_closed.set()

    before = threading.active_count()
    stream = prefetch(items())
    next(stream)
    stream.close()
    assert is_closed.is_set()
    assert threading.active_count() == before


def test_an_error_ends_the_thread() -> None:
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        list(prefetch(1 // item for item in (1, 0)))
    assert threading.active_count() == before


def test_stream_sees_the_context_variables_of_the_reader() -> None:
    def items() -> Iterator[str]:
        yield NAMED.get()

    NAMED.set("a flow run")
    assert list(prefetch(items())) == ["a flow run"]

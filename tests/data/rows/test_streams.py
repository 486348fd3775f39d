import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.parallel import map_in_threads
from data.rows.arrow_text import hashes, normalized
from data.rows.splits import CONTENT_KEY
from data.rows.streams import only_rows, parquet_batches, smallest_rows


def texts(*numbers: int) -> pa.Table:
    return pa.table({"text": [f"text {n}" for n in numbers], "label": ["a"] * len(numbers)})


def parts_of(table: pa.Table, size: int) -> list[pa.Table]:
    return [table.slice(at, size) for at in range(0, table.num_rows, size)]


def limited(table: pa.Table, limit: int, size: int = 7) -> list[str]:
    tables = parts_of(table, size)
    return [
        text
        for part in only_rows(tables, smallest_rows(tables, limit))
        for text in part["text"].to_pylist()
    ]


def test_limit_takes_the_same_rows_in_any_order() -> None:
    assert set(limited(texts(*range(50)), 10)) == set(limited(texts(*reversed(range(50))), 10))


def test_smaller_limit_takes_a_subset_of_a_larger_one() -> None:
    assert set(limited(texts(*range(50)), 5)) < set(limited(texts(*range(50)), 20))


@pytest.mark.parametrize("size", [1, 7, 30, 100])
@pytest.mark.parametrize("limit", [1, 10, 49, 60, 100])
def test_limit_takes_rows_with_the_smallest_hashes_in_order(size: int, limit: int) -> None:
    table = texts(*(n % 41 for n in range(60)))  # some occur twice
    order = hashes(normalized(table["text"]), CONTENT_KEY)
    expected = table.take(np.sort(np.argsort(order, kind="stable")[:limit]))["text"].to_pylist()
    assert limited(table, limit, size) == expected


def test_file_is_read_in_parts_that_make_the_whole(tmp_path: Path) -> None:
    pq.write_table(texts(*range(25)), tmp_path / "rows.parquet", row_group_size=9)
    parts = list(parquet_batches(tmp_path / "rows.parquet", 4))
    assert max(part.num_rows for part in parts) <= 4
    assert pa.concat_tables(parts) == texts(*range(25))


def test_results_come_in_order_though_work_ends_out_of_order() -> None:
    def work(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    waits = [0.05, 0.0, 0.03, 0.0, 0.0]
    assert list(map_in_threads(work, waits)) == waits


def test_number_of_items_in_work_is_limited() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    results = map_in_threads(lambda item: item, items(), workers=2)
    assert next(results) == 0
    assert len(taken) == 3


def test_two_items_are_processed_concurrently() -> None:
    met = threading.Barrier(2, timeout=10)
    assert len(list(map_in_threads(lambda _: met.wait(), range(4)))) == 4


def test_error_is_raised_in_place_of_its_result() -> None:
    results = map_in_threads(lambda item: 1 // item, [1, 0, 1])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)

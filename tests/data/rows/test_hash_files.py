from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.rows.hash_files import num_missing, write_distinct
from data.rows.hash_set import Hashes

HASHES = st.lists(
    st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 2**63 - 1, 2**63, 2**64 - 1])),
    max_size=40,
)
SIZES = st.sampled_from([1, 3, 1000])  # rows of a range: all at once, or many ranges


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hashes")


def written(path: Path, hashes: list[int]) -> Path:
    np.save(path, np.array(hashes, np.uint64))
    return path


@settings(max_examples=100, deadline=None)
@given(HASHES, HASHES, SIZES)
def test_hashes_missing_from_the_other_file_are_counted(
    folder: Path, ours: list[int], theirs: list[int], size: int
) -> None:
    with patch("data.rows.hash_files.RANGE_ROWS", size):
        num = num_missing(
            written(folder / "ours.npy", ours), written(folder / "theirs.npy", theirs)
        )
    assert num == sum(value not in theirs for value in ours)


def test_all_hashes_are_missing_without_another_file(folder: Path) -> None:
    assert num_missing(written(folder / "ours.npy", [3, 3, 4]), None) == 3


@settings(max_examples=100, deadline=None)
@given(st.lists(HASHES, min_size=1, max_size=3), SIZES)
def test_files_are_merged_into_distinct_hashes(
    folder: Path, parts: list[list[int]], size: int
) -> None:
    paths = [written(folder / f"{number}.npy", part) for number, part in enumerate(parts)]
    with patch("data.rows.hash_files.RANGE_ROWS", size):
        write_distinct(folder / "all.npy", paths)
    found: Hashes = np.load(folder / "all.npy")
    assert found.tolist() == sorted({value for part in parts for value in part})


def test_file_is_read_in_several_blocks(folder: Path) -> None:
    values = list(range(0, 1000, 3))
    with patch("data.rows.hash_files.READ_ROWS", 7):
        assert (
            num_missing(
                written(folder / "ours.npy", list(range(1000))),
                written(folder / "theirs.npy", values),
            )
            == 666
        )

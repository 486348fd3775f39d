"""Numbers as targets: standardized by the training rows, and back."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from data.errors import RowError
from data.text.encoder import DEFAULTS, Encoder
from data.text.numbers import Numbers

TRAIN = pa.table({"text": ["lumo", "sela", "grak"], "score": ["1", "2", "6"]})


def column(*texts: str) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(texts)])


def test_standardized_training_numbers_have_mean_0_and_deviation_1() -> None:
    numbers = Numbers.of([column("1", "2"), column("6")])
    values, offsets = numbers.encode(column("1", "2", "6"))
    assert (values.dtype, offsets.tolist()) == (np.float32, [0, 1, 2, 3])
    assert values.mean() == pytest.approx(0, abs=1e-6)
    assert values.std() == pytest.approx(1, abs=1e-6)


def test_large_close_numbers_stay_distinct() -> None:
    texts = ["1700000000", "1700000001", "1700000002"]
    numbers = Numbers.of([column(*texts)])
    values, _ = numbers.encode(column(*texts))
    assert numbers.decode(values.tolist()) == pytest.approx([float(text) for text in texts])
    assert len(set(values.tolist())) == 3


def test_rows_of_one_number_raise() -> None:
    with pytest.raises(RowError, match=r"has one score only \(3\), expected at least two"):
        Numbers.of([column("3", "3")])


def test_number_encoder_is_loaded_as_saved(tmp_path: Path) -> None:
    encoder = Encoder.build("words", TRAIN, DEFAULTS["words"])
    encoder.save(tmp_path)
    read = Encoder.load(tmp_path)
    assert read.target == encoder.target
    assert (read.labels, read.target_size, read.target_dtype) == ((), 1, np.float32)
    (_, (values, _)) = read.encode(TRAIN)
    assert [read.decode([value]) for value in values.tolist()] == pytest.approx([1, 2, 6])

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from data.ingestion.report import EXAMPLES, Sample, Tally, percentiles
from data.ingestion.splitting import REFUSED, Part

WORDS = ("lumo", "sela", "nuri", "ëro", "жук", "中文")


def part(texts: list[str], split: str = "train", label: str = "pos") -> Part:
    return Part(split, pa.table({"text": texts, "label": [label] * len(texts)}), keys(len(texts)))


def keys(num: int) -> Any:
    return np.random.default_rng(num).integers(0, 2**64, num, dtype=np.uint64)


def refused(num: int, kind: str = "no_text", raw: str = "") -> Part:
    columns = {
        "file": ["a.csv"] * num,
        "row": range(2, num + 2),
        "kind": [kind] * num,
        "reason": ["message"] * num,
        "raw": [raw] * num,
    }
    return Part(REFUSED, pa.table({name: pa.array(values) for name, values in columns.items()}))


def sampled(order: list[int], size: int, batch: int) -> set[int]:
    hashes = keys(len(order))
    sample = Sample(size)
    for at in range(0, len(order), batch):
        chosen = order[at : at + batch]
        sample.add(pa.table({"number": chosen}), hashes[chosen])
    found = sample.table()
    return set(found["number"].to_pylist()) if found else set()


@pytest.mark.parametrize("batch", [1, 7, 200])
def test_sample_has_the_smallest_hashes_in_any_row_order(batch: int) -> None:
    expected = set(np.argsort(keys(200))[:20].tolist())
    assert (
        sampled(list(range(200)), 20, batch)
        == sampled(list(reversed(range(200))), 20, batch)
        == expected
    )


def test_sample_of_few_rows_is_all_of_them() -> None:
    assert sampled(list(range(5)), 20, 2) == set(range(5))


def test_percentile_is_the_length_that_this_share_does_not_exceed() -> None:
    lengths = np.random.default_rng(0).integers(0, 50, 1000)
    for share, length in percentiles(np.bincount(lengths)).items():
        assert (lengths <= length).mean() >= int(share) / 100
        assert (lengths < length).mean() < int(share) / 100


@pytest.mark.parametrize("words", [WORDS[:3], WORDS])
def test_lengths_are_counted_in_characters_over_all_batches(words: tuple[str, ...]) -> None:
    tally = Tally()
    texts = [" ".join(words[: 1 + i % len(words)]) for i in range(90)]
    for at in range(0, 90, 40):
        tally.add(part(texts[at : at + 40]))
    assert tally.as_json(is_characters=False)["splits"]["train"]["lengths"]["text"]["100"] == max(
        map(len, texts)
    )


def test_labels_are_counted_by_split() -> None:
    tally = Tally()
    for found in (part(["a"] * 3), part(["b"] * 2, label="neg"), part(["c"], split="test")):
        tally.add(found)
    report = tally.as_json(is_characters=False)["splits"]
    assert (report["train"]["labels"], report["test"]["labels"]) == (
        {"pos": 3, "neg": 2},
        {"pos": 1},
    )


def test_rejected_rows_are_counted_by_kind_with_the_first_as_examples() -> None:
    tally = Tally()
    for found in (refused(3), refused(4), refused(1, kind="too_long", raw="x" * 5000), part(["a"])):
        tally.add(found)
    report = tally.as_json(is_characters=False)
    assert report["reasons"] == {"no_text": 7, "too_long": 1}
    assert (report["read"], report["kept"], report["refused"]) == (9, 1, 8)
    assert [row["row"] for row in report["examples"]["no_text"]] == [2, 3, 4, 2, 3][:EXAMPLES]
    assert len(report["examples"]["too_long"][0]["raw"]) < 400


def test_unknown_words_are_those_missing_from_train() -> None:
    tally = Tally()
    tally.add(part(["lumo sela", "lumo"]))
    tally.add(part(["lumo nuri nuri nuri"], split="test"))
    side = tally.as_json(is_characters=False)["words"]["sides"]["text"]
    assert side["train"] == {"distinct": 2, "running": 3, "unknown_share": 0}
    assert side["test"] == {"distinct": 2, "running": 4, "unknown_share": 0.75}


@pytest.mark.case("D13")
def test_texts_without_spaces_are_counted_in_characters_and_words() -> None:
    tally = Tally()
    for split, targets in {"train": ["漢字文", "カナ文"], "test": ["漢カメ"]}.items():
        pairs = pa.table({"source": ["lumo sela"] * len(targets), "target": targets})
        tally.add(Part(split, pairs, keys(len(targets))))
    sides = tally.as_json(is_characters=False)["words"]["sides"]
    assert [(side, found["unit"], found["train"]["distinct"]) for side, found in sides.items()] == [
        ("source", "words", 2),
        ("target", "characters", 5),
    ]
    assert sides["target"]["test"]["unknown_share"] == pytest.approx(1 / 3)
    assert (sides["target"]["unspaced_share"], sides["target"]["han_share"]) == (
        1.0,
        pytest.approx(4 / 6),
    )

"""Injected damage matches its name, by simple parsers, and the checks find all of it."""

import csv
import io
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.data.corruption import (
    SHARE,
    chosen,
    measure_set,
    refused_of,
    share,
    whole_rows,
    write_entry,
    written,
)
from benchmarks.data.damage import DAMAGES, LAYOUTS, Damage, Row
from data.catalog.catalog import Dataset
from data.rows.check_settings import DEFAULTS
from tasks.ingestion.snapshot import make_snapshot
from tests.tasks.growing import WORDS, entry, plain, texts

NUM = 300
CASES = [(name, damage) for name, damages in DAMAGES.items() for damage in damages]
SPACE = re.compile(r"\s|^$")


def sentence(number: int, chance: random.Random) -> Row:
    words = [f"n{number}", *chance.choices(WORDS, k=chance.randint(1, 4)), "Ursa"]
    return words, ["O"] * (len(words) - 1) + [chance.choice(["O", "B-PER"])]


def made_rows(name: str) -> list[Row]:
    chance = random.Random(0)
    if name == "conll":
        return [sentence(number, chance) for number in range(NUM)]
    if name in ("tsv", "parallel"):
        return [(text, f"{text[::-1]} {number}") for number, (text, _) in enumerate(texts(NUM))]
    return [(text, "01"[number % 2]) for number, (text, _) in enumerate(texts(NUM))]


def parsed(name: str, files: list[bytes]) -> list[Any]:
    """The sides of a row as written; raises the errors of its parser."""
    written = [file.decode() for file in files]
    if name == "csv":
        return next(csv.reader(io.StringIO(written[0]), strict=True))
    if name == "jsonl":
        row = json.loads(written[0])
        return [row.get(role) for role in ("text", "label")]
    if name == "conll":
        lines = [line.split("\t") for line in written[0].removesuffix("\n\n").split("\n")]
        return [[line[0] for line in lines], [line[1] for line in lines if len(line) > 1]]
    return (
        written[0].removesuffix("\n").split("\t")
        if name == "tsv"
        else [side.removesuffix("\n") for side in written]
    )


def is_broken_bio(tags: list[str]) -> bool:
    known = [re.fullmatch("O|[BI]-.+", tag) for tag in tags]
    follows = zip(["O", *tags], tags, strict=False)
    return not all(known) or any(tag[0] == "I" and before[2:] != tag[2:] for before, tag in follows)


LIMITS = {
    "text": DEFAULTS["text", "label"],
    "pair": DEFAULTS["source", "target"],
    "tokens": DEFAULTS["tokens", "tags"],
}
HOLDS: dict[str, Callable[[list[Any], Row], bool]] = {
    "control_characters": lambda row, _: any(
        re.search(r"[\x00-\x08\x7f-\x9f]", "".join(side)) for side in row
    ),
    "no_text": lambda row, _: any(side is None or not side.strip() for side in row),
    "one_side": lambda row, _: [bool(side.strip()) for side in row].count(False) == 1,
    "unknown_label": lambda row, _: row[1] not in ("0", "1"),
    "fields": lambda row, _: len(row) != 2,
    "wrong_type": lambda row, _: not isinstance(row[0], str),
    "duplicate": lambda row, earlier: (
        [plain(" ".join(s) if isinstance(s, list) else s) for s in row]
        == [plain(" ".join(s) if isinstance(s, list) else s) for s in earlier]
    ),
    "conflict": lambda row, earlier: row[0] == earlier[0] and row[1] != earlier[1],
    "length_ratio": lambda row, _: max(map(len, row)) > 20 * min(map(len, row)),
    "source_equals_target": lambda row, _: row[0] == row[1],
    "lengths_differ": lambda row, _: len(row[0]) != len(row[1]),
    "tag_scheme": lambda row, _: is_broken_bio(row[1]),
    "unknown_entity": lambda row, _: (
        not is_broken_bio(row[1]) and not {tag[2:] for tag in row[1]} <= {"", "PER", "LOC", "ORG"}
    ),
    "bad_token": lambda row, _: any(SPACE.search(token) for token in row[0]),
}
FAILS = {"not_utf8": UnicodeDecodeError, "not_json": json.JSONDecodeError}


@pytest.mark.parametrize(
    ("name", "damage"), CASES, ids=[f"{name}, {damage.name}" for name, damage in CASES]
)
def test_injected_damage_matches_its_name(name: str, damage: Damage) -> None:
    layout = LAYOUTS[name]
    rows = made_rows(name)
    assert parsed(name, layout.write(rows[7])) == list(rows[7])
    damaged = damage.make(layout, rows[7], rows[3])
    assert len(damaged) == len(layout.write(rows[7]))
    if damage.is_last:
        with pytest.raises(csv.Error, match="unexpected end"):
            parsed(name, damaged)
    elif damage.kind in FAILS:
        with pytest.raises(FAILS[damage.kind]):
            parsed(name, damaged)
    elif damage.kind == "too_long":
        limit = LIMITS[
            "tokens" if name == "conll" else "pair" if name in ("tsv", "parallel") else "text"
        ].max_length
        assert len(parsed(name, damaged)[0]) > limit
    else:
        assert HOLDS[damage.kind](parsed(name, damaged), rows[3])
        assert damage.kind in ("duplicate", "conflict") or not HOLDS[damage.kind](
            list(rows[7]), rows[3]
        )


@pytest.mark.parametrize("name", DAMAGES)
def test_five_percent_of_rows_are_damaged_evenly_by_kind(name: str) -> None:
    damaged, earlier = chosen(2000, DAMAGES[name], seed=0)
    spread = [damage for damage in DAMAGES[name] if not damage.is_last]
    counts = [list(damaged.values()).count(damage) for damage in spread]
    assert sum(counts) == int(SHARE * 2000)
    assert max(counts) - min(counts) <= 1
    assert all(damaged[1999] is damage for damage in DAMAGES[name] if damage.is_last)
    assert all(other < index and other not in damaged for index, other in earlier.items())


@pytest.mark.parametrize("name", ["csv", "jsonl", "tsv", "parallel"])
def test_damage_ledger_names_the_lines_that_differ(name: str) -> None:
    layout = LAYOUTS[name]
    rows = made_rows(name)
    damaged, earlier = chosen(
        NUM, [damage for damage in DAMAGES[name] if not damage.is_last], seed=1
    )
    files, ledger = written(
        layout, rows, damaged, {index: rows[other] for index, other in earlier.items()}
    )
    undamaged, _ = written(layout, rows, {}, {})
    lines = [
        list(zip(*(file.split(b"\n") for file in made), strict=True)) for made in (files, undamaged)
    ]
    assert {
        number for number, (one, two) in enumerate(zip(*lines, strict=True), 1) if one != two
    } == set(ledger)
    assert [ledger[number] for number in sorted(ledger)] == [
        damaged[index] for index in sorted(damaged)
    ]


def made_entry(folder: Path, name: str) -> Dataset:
    """An entry with made-up rows in a named layout."""
    more = {"labels": {"0": "neg", "1": "pos"}} if name in ("csv", "jsonl") else {}
    like = entry(folder, {"kind": "files", "paths": {"all": "none"}}, checks={}, **more)
    return write_entry(
        folder, like, LAYOUTS[name], written(LAYOUTS[name], made_rows(name), {}, {})[0]
    )


@pytest.mark.parametrize("name", DAMAGES)
def test_checks_find_all_damage_with_its_kind_and_lose_no_row(
    name: str, store: Path, tmp_path: Path
) -> None:
    (tmp_path / "again").mkdir()
    dataset = made_entry(tmp_path, name)
    outcome = measure_set(tmp_path / "again", name, dataset)
    assert outcome.rows == NUM
    assert outcome.injected == outcome.found == outcome.named
    assert set(outcome.injected) == {damage.name for damage in DAMAGES[name]}
    assert outcome.lost == 0


def test_rows_rejected_without_damage_are_excluded_first(store: Path, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    layout = LAYOUTS["csv"]
    rows = [*made_rows("csv"), ("", "0"), ("lumo", "2"), made_rows("csv")[0]]
    dataset = made_entry(tmp_path, "csv")
    (tmp_path / "rows0").write_bytes(written(layout, rows, {}, {})[0][0])
    assert sorted(refused_of(make_snapshot(dataset)[0]).values()) == [
        "duplicate",
        "no_text",
        "unknown_label",
    ]
    assert sorted(whole_rows(tmp_path / "again", dataset, layout)) == sorted(made_rows("csv"))


def test_share_is_one_only_if_nothing_is_missing() -> None:
    assert (share(1000, 1000), share(999, 1000), share(0, 1000)) == (1, 0.99, 0)

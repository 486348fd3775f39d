"""A snapshot compared with the last accepted one: which changes stop a training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.errors import RowError
from tasks.ingest import ingest
from tasks.ingestion.reference_snapshot import last_accepted
from tasks.ingestion.snapshot_log import SnapshotLog
from tasks.maintenance.prune import find_prunable
from tasks.maintenance.snapshot_overview import check_dataset
from tasks.store.artifacts import Snapshot
from tests.tasks.growing import WORDS, entry, write

pytestmark = pytest.mark.case("D14")
Rows = list[tuple[str, str]]
FILES = {"kind": "files", "paths": {"all": "rows.csv"}}


def rows(num: int, start: int = 0, labels: tuple[str, ...] = ("pos", "neg")) -> Rows:
    return [
        (f"{WORDS[i % 10]} {WORDS[i // 10 % 10]} {i}", labels[i % len(labels)])
        for i in range(start, start + num)
    ]


def night(folder: Path, found: Rows, *, accept: bool = False, **changes: Any) -> Snapshot:
    """Ingest some rows as a retraining does."""
    write(folder / "rows.csv", found)
    dataset = entry(folder, FILES, **changes)
    done: Any = ingest.fn("made", str(dataset.file), accept=accept)
    return last_of(done)


def last_of(done: Any) -> Snapshot:
    made = SnapshotLog.of("made").last
    assert made is not None
    found = Snapshot.find("made", made.snapshot)
    assert found is not None
    return found


def long(found: Rows) -> Rows:
    return [(f"{text} {text} {text}", label) for text, label in found]


def relabelled(found: Rows, num: int) -> Rows:
    return [
        (text, {"pos": "neg", "neg": "pos"}[label]) if i < num else (text, label)
        for i, (text, label) in enumerate(found)
    ]


FIRST = rows(400)
STOPS: dict[str, tuple[Rows, str]] = {
    "a collapsed source": (
        rows(50),
        r"rows: 400 before, 50 now \(checks.max_shrink allows 20% fewer\)",
    ),
    "a new label": (
        [*FIRST, ("lumo", "spam")],
        r"label 'spam': none before, 1 now \(checks.new_classes is stop\)",
    ),
    "a label that is gone": (
        rows(400, labels=("pos",)),
        r"label 'neg': 200 before, none now \(checks.lost_classes is stop\)",
    ),
    "another share": (
        [*FIRST, *rows(300, start=400, labels=("pos",))],
        r"share of label 'neg': 50.0% before, 28.6% now "
        r"\(checks.max_share_change allows 10 points\)",
    ),
    "flipped labels": (
        relabelled(FIRST, 6),
        r"labels of the 400 texts in both: as they were before, 6 others \(1.5%\) now "
        r"\(checks.max_relabelled allows 1%\)",
    ),
    "longer texts": (
        long(FIRST),
        r"median length of text: \d+ characters before, \d+ now "
        r"\(checks.max_length_change is 2 times\)",
    ),
}
FINE: dict[str, Rows] = {
    "growth": [*FIRST, *rows(4_000, start=400)],
    "a tenth fewer rows": rows(360),
    "other rows of the same kind": rows(400, start=400),
    "few flipped labels": relabelled(FIRST, 4),
}
TAKEN: dict[str, dict[str, Any]] = {
    "a collapsed source": {"max_shrink": 0.9},
    "a new label": {"new_classes": "take"},
    "a label that is gone": {
        "lost_classes": "take",
        "max_relabelled": 1.0,
        "max_share_change": 1.0,
    },
    "another share": {"max_share_change": 0.3},
    "flipped labels": {"max_relabelled": 0.02},
    "longer texts": {"max_length_change": 4.0},
}


@pytest.mark.parametrize("change", STOPS)
def test_change_beyond_its_limit_raises_and_can_be_accepted_once(
    change: str, store: Path, tmp_path: Path
) -> None:
    found, expected = STOPS[change]
    first = night(tmp_path, FIRST)
    for _ in range(2):  # a stopped night is no measure for the next one
        with pytest.raises(RowError, match=expected) as stopped:
            night(tmp_path, found)
    assert f"compared with {first.digest}" in str(stopped.value)
    assert "refrain run made --accept" in str(stopped.value)
    assert last_accepted("made")["snapshot"] == first.digest  # type: ignore[index]
    taken = night(tmp_path, found, accept=True)
    assert last_accepted("made")["snapshot"] == taken.digest  # type: ignore[index]
    night(tmp_path, found)
    with pytest.raises(RowError, match=f"compared with {taken.digest}"):
        night(tmp_path, rows(400, labels=("other", "more")))


@pytest.mark.parametrize("change", STOPS)
def test_limit_in_the_entry_accepts_the_change(change: str, store: Path, tmp_path: Path) -> None:
    night(tmp_path, FIRST)
    taken = night(tmp_path, STOPS[change][0], checks=TAKEN[change])
    assert last_accepted("made")["snapshot"] == taken.digest  # type: ignore[index]


@pytest.mark.parametrize("change", FINE)
def test_change_within_the_limits_is_accepted(change: str, store: Path, tmp_path: Path) -> None:
    night(tmp_path, FIRST)
    found = night(tmp_path, FINE[change])
    assert last_accepted("made")["snapshot"] == found.digest  # type: ignore[index]


def test_source_that_grows_every_night_is_always_accepted(store: Path, tmp_path: Path) -> None:
    for day in range(1, 8):
        grown = night(tmp_path, rows(30 * day * day, labels=("pos", "neg", "pos")))
        assert last_accepted("made")["snapshot"] == grown.digest  # type: ignore[index]


def test_check_shows_the_changes_and_the_fault_of_a_retraining(store: Path, tmp_path: Path) -> None:
    night(tmp_path, FIRST)
    write(tmp_path / "rows.csv", rows(50))
    checked = check_dataset("made", str(tmp_path / "catalog.yaml"))
    assert "### Changes" in checked.page
    assert "rows: 400 before, 50 now" in checked.page
    assert checked.fault.startswith("made: the source changed by more than the limits")


def test_checks_before_the_first_training_compare_with_the_oldest_valid_snapshot(
    store: Path, tmp_path: Path
) -> None:
    catalog = entry(tmp_path, FILES).file
    faults = []
    for found in ([*rows(40), *[("", "pos")] * 40], FIRST, rows(50), rows(410)):
        write(tmp_path / "rows.csv", found)
        faults.append(check_dataset("made", str(catalog)).fault)
    assert [bool(fault) for fault in faults] == [True, False, True, False]
    assert last_accepted("made") is None


BY_ENTRY: dict[str, dict[str, Any]] = {
    "labels": {"labels": {"pos": "good", "neg": "bad"}},
    "where": {"where": {"label": "pos"}},
    "checks": {"checks": {"max_length": 13, "max_refused_share": 1.0}},
}


@pytest.mark.parametrize("key", BY_ENTRY)
def test_changes_explained_by_the_entry_are_shown_and_accepted(
    key: str, store: Path, tmp_path: Path
) -> None:
    night(tmp_path, FIRST)
    night(tmp_path, FIRST, **BY_ENTRY[key])
    checked = check_dataset("made", str(tmp_path / "catalog.yaml"))
    assert not checked.fault
    with pytest.raises(RowError, match="rows: "):
        night(tmp_path, rows(80), **BY_ENTRY[key])


def test_label_listed_in_the_entry_is_accepted(store: Path, tmp_path: Path) -> None:
    listed = {"labels": {"pos": "pos", "neg": "neg", "spam": "spam"}}
    night(tmp_path, FIRST, **listed)
    found = night(tmp_path, [*FIRST, ("lumo", "spam")], **listed)
    assert last_accepted("made")["snapshot"] == found.digest  # type: ignore[index]


def test_snapshot_given_by_a_person_is_not_compared(store: Path, tmp_path: Path) -> None:
    first = night(tmp_path, FIRST)
    taken = night(tmp_path, rows(50), accept=True)
    ingest.fn("made", str(tmp_path / "catalog.yaml"), first.digest)
    assert last_accepted("made")["snapshot"] == taken.digest  # type: ignore[index]


def test_accepted_snapshot_is_not_pruned(store: Path, tmp_path: Path) -> None:
    first = night(tmp_path, FIRST)
    with pytest.raises(RowError):
        night(tmp_path, rows(50))
    assert first.folder not in [found.path for found in find_prunable(days=0)]


def conll(folder: Path, *kinds: str) -> None:
    sentences = [f"ta O\nn{i} B-{kinds[i % len(kinds)]}\n" for i in range(200)]
    (folder / "rows.csv").write_text("\n".join(sentences))


TAGGED: dict[str, Callable[[Path], None]] = {
    r"entity 'LOC': none before, 50 now": lambda folder: conll(folder, "PER", "PER", "PER", "LOC"),
    r"labels of the 200 texts in both: as they were before, 200 others": lambda folder: conll(
        folder, "ORG"
    ),
}


@pytest.mark.parametrize("expected", TAGGED)
def test_kinds_of_entities_and_tags_are_compared_too(
    expected: str, store: Path, tmp_path: Path
) -> None:
    shape = {"problem": "ner", "format": {"kind": "conll"}, "columns": {"tokens": 0, "tags": 1}}
    conll(tmp_path, "PER")
    dataset = entry(tmp_path, FILES, **shape)
    ingest.fn("made", str(dataset.file))
    TAGGED[expected](tmp_path)
    with pytest.raises(RowError, match=expected):
        ingest.fn("made", str(dataset.file))

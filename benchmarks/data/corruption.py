"""How much damage the checks find and name rightly, and how many whole rows are lost with it.

Rows of real sets (``benchmarks/data/datasets.yaml``, else the catalog's) are
ingested once and what is refused of them is taken out, so what is left is
known to be whole. 5 % of each set's rows are then damaged, an equal share by
each kind of damage (``benchmarks/data/damage.py``), in the bytes of its own
format. A ledger of what was done to which row is compared with
``refused.parquet``. ``python -m benchmarks.data.corruption`` prints the table.
"""

import math
import random
from bisect import bisect
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from benchmarks.data.damage import DAMAGES, LAYOUTS, Damage, Layout, Row
from benchmarks.data.growth import leaked_figure
from benchmarks.data.real_sets import CATALOG, SETS, own_store
from benchmarks.lib.figures import Figure, figure
from data.catalog.catalog import Dataset, find_dataset
from data.ingestion.splitting import REFUSED
from data.rows.splits import SPLITS
from tasks.ingestion.snapshot import make_snapshot
from tasks.store.artifacts import Snapshot

COMMAND = "python -m benchmarks.data.corruption"
SHARE = 0.05
MOST_ROWS = 20_000  # of each set
# Which real set is written in which format; without them, which dataset of the catalog.
REAL = {
    "csv": "sst2",
    "jsonl": "hotels_zh",
    "conll": "conll2003",
    "tsv": "tatoeba_cmn",
    "parallel": "multi30k",
}
CATALOGUED = {
    "csv": "rotten_tomatoes",
    "jsonl": "rotten_tomatoes",
    "conll": "twitter_ner",
    "tsv": "tatoeba_en_fr",
    "parallel": "tatoeba_en_fr",
}
Ledger = dict[int, Damage]


@dataclass
class Outcome:
    """What became of damaged rows, by the kind of damage, and how many whole ones were lost."""

    dataset: str = ""
    rows: int = 0
    injected: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)
    lost: int = 0


def written(
    layout: Layout, rows: Sequence[Row], damaged: dict[int, Damage], earlier: dict[int, Row]
) -> tuple[list[bytes], Ledger]:
    """Write rows as files, some of them damaged.

    Returns:
        The files, and the damage by the number that its row has there.
    """
    parts: list[list[bytes]] = []
    ledger = {}
    line = layout.first_row
    for index, row in enumerate(rows):
        part = layout.write(row)
        if index in damaged:
            part = damaged[index].make(layout, row, earlier[index])
            ledger[line] = damaged[index]
        parts.append(part)
        line += (
            part[0].count(b"\n") if layout.format["kind"] == "conll" else 1
        )  # sentences go by their first line
    return [layout.head + b"".join(file) for file in zip(*parts, strict=True)], ledger


def chosen(
    num: int, damages: Sequence[Damage], seed: int
) -> tuple[dict[int, Damage], dict[int, int]]:
    """Choose rows to damage, equally many by each kind, each with an earlier row left whole."""
    chance = random.Random(seed)
    spread = [damage for damage in damages if not damage.is_last]
    indices = chance.sample(range(1, num - 1), max(len(spread), int(SHARE * num)))
    damaged = {index: spread[at % len(spread)] for at, index in enumerate(indices)}
    damaged.update((num - 1, damage) for damage in damages if damage.is_last)
    undamaged = [index for index in range(num) if index not in damaged]
    return damaged, {
        index: undamaged[chance.randrange(bisect(undamaged, index))] for index in damaged
    }


def write_entry(folder: Path, like: Dataset, layout: Layout, files: list[bytes]) -> Dataset:
    """Write files and a catalog entry for them."""
    names = [f"rows{number}" for number in range(len(files))]
    for name, content in zip(names, files, strict=True):
        (folder / name).write_bytes(content)
    paths = {"source": names[0], "target": names[1]} if len(names) > 1 else names[0]
    entry: dict[str, Any] = {
        "problem": like.problem,
        "language": like.language,
        "licence": like.licence,
        "origin": like.origin,
        "source": {"kind": "files", "paths": {"all": paths}},
        "format": dict(layout.format),
        "columns": dict(layout.columns),
        "splits": {"validation": 0.1, "test": 0.1},
        "tokenizer": "words",
        "labels": dict(like.labels),
        "checks": {
            rule: value for rule, value in like.checks.items() if rule == "entities"
        },  # else as they are by default
    }
    (folder / "catalog.yaml").write_text(
        yaml.safe_dump({"damaged": entry}, allow_unicode=True), encoding="utf-8"
    )
    return find_dataset("damaged", folder / "catalog.yaml")


def rows_of(snapshot: Snapshot, entry: Dataset) -> list[Row]:
    """The rows that were kept, with the publisher's labels."""
    theirs = {ours: label for label, ours in entry.labels.items()}
    rows: list[Row] = []
    for split in SPLITS:
        if snapshot.rows.get(split):
            for row in snapshot.table(split).to_pylist():
                sides = tuple(row.values())
                rows.append((sides[0], theirs.get(sides[1], sides[1])) if "label" in row else sides)
    return rows


def refused_of(snapshot: Snapshot) -> dict[int, str]:
    """Numbers of the rows that were refused, and of what kind."""
    if not snapshot.rows.get(REFUSED):
        return {}
    table = pq.read_table(snapshot.folder / f"{REFUSED}.parquet")
    return dict(zip(table["row"].to_pylist(), table["kind"].to_pylist(), strict=True))


def whole_rows(folder: Path, entry: Dataset, layout: Layout) -> list[Row]:
    """Rows of a set of which none is refused when they are written in a layout."""
    rows = rows_of(make_snapshot(entry)[0], entry)
    random.Random(0).shuffle(rows)
    again = write_entry(folder, entry, layout, written(layout, rows[:MOST_ROWS], {}, {})[0])
    whole = rows_of(make_snapshot(again)[0], again)
    random.Random(1).shuffle(whole)
    return whole


def kinds_of(rows: list[Row]) -> list[str]:
    """The kinds of entities in some sentences, and the one that damage may write."""
    return sorted({tag[2:] for _, tags in rows for tag in tags} - {""} | {"LOC"})


def measure_set(folder: Path, name: str, entry: Dataset) -> Outcome:
    """Damage rows of a set, ingest them, and compare what was refused with the ledger."""
    layout = LAYOUTS[name]
    damages = DAMAGES[name]
    rows = whole_rows(folder, entry, layout)
    if name == "conll":
        entry = replace(entry, checks={**entry.checks, "entities": kinds_of(rows)})
    damaged, earlier = chosen(len(rows), damages, seed=2)
    files, ledger = written(
        layout, rows, damaged, {index: rows[other] for index, other in earlier.items()}
    )
    snapshot, _ = make_snapshot(again := write_entry(folder, entry, layout, files))
    refused = refused_of(snapshot)
    outcome = Outcome(entry.name, len(rows))
    for number, damage in ledger.items():
        outcome.injected[damage.name] += 1
        outcome.found[damage.name] += number in refused
        outcome.named[damage.name] += refused.get(number) == damage.kind
    expected = Counter(map(repr, (row for index, row in enumerate(rows) if index not in damaged)))
    outcome.lost = (expected - Counter(map(repr, rows_of(snapshot, again)))).total()
    return outcome


def measure() -> dict[str, Outcome]:
    """The outcome for each format."""
    is_real = SETS.is_dir()
    found = {}
    with own_store() as home:
        for name, dataset in (REAL if is_real else CATALOGUED).items():
            folder = home / "damaged" / name
            folder.mkdir(parents=True)
            found[name] = measure_set(
                folder, name, find_dataset(dataset, *([CATALOG] if is_real else []))
            )
    return found


def share(part: int, total: int) -> float:
    """A share, rounded down: only all of it is 1."""
    return math.floor(100 * part / total) / 100


def figures(found: dict[str, Outcome] | None = None) -> list[Figure]:
    """What is measured as figures with their goals."""
    found = found or measure()
    injected, seen, named = (
        sum(getattr(result, name).total() for result in found.values())
        for name in ("injected", "found", "named")
    )
    kinds = {damage.name for name in found for damage in DAMAGES[name]}
    rows = sum(result.rows for result in found.values())
    lost = sum(result.lost for result in found.values())
    note = f"{injected:,} of {rows:,} rows damaged in {len(kinds)} ways, in {len(found)} formats"
    return [
        figure(
            "corruption_found_share",
            share(seen, injected),
            unit="of damaged rows",
            goal=1,
            better="higher",
            command=COMMAND,
            note=f"{note}; {injected - seen:,} missed",
        ),
        figure(
            "corruption_reason_share",
            share(named, injected),
            unit="of damaged rows",
            goal=1,
            better="higher",
            command=COMMAND,
            note=f"refused for the reason that was injected; {injected - named:,} otherwise",
        ),
        figure(
            "corruption_clean_lost",
            lost,
            unit="rows",
            goal=0,
            better="lower",
            command=COMMAND,
            note=f"of {rows - injected:,} rows that were left whole",
        ),
        leaked_figure(COMMAND),
    ]


def main() -> None:
    """Print the table."""
    found = measure()
    for name, result in found.items():
        print(
            f"\n{name}, {result.rows:,} rows of {result.dataset}, "
            f"{result.injected.total():,} damaged, {result.lost:,} whole rows lost"
        )
        print(f"  {'':<32}{'damaged':>8}{'found':>8}{'reason right':>14}")
        for damage in DAMAGES[name]:
            counts = [
                counter[damage.name] for counter in (result.injected, result.found, result.named)
            ]
            print(f"  {damage.name:<32}{counts[0]:>8,}{counts[1]:>8,}{counts[2]:>14,}")
    print()
    for item in figures(found):
        print(f"{item.figure}: {item.value:g} {item.unit} (goal {item.goal:g}); {item.note}")


if __name__ == "__main__":
    main()

"""What ``refrain prune`` takes from a store that it should have left.

A dataset grows and is retrained after each growth, so that there are old and
new snapshots, trainings that were registered and some that were not, versions
with an alias and without, killed trainings and ingestions, pieces of files
that changed since. Then all is pruned that can be, first with every version
keeping its past, then with those alone that have an alias. After each it is
counted, by loading it, what is needed and does not load, or predicts
otherwise than before. ``python -m benchmarks.data.prune`` prints the table.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from benchmarks.data.encoding import made_texts
from benchmarks.data.grown_store import NAME, fill, own_mlflow, write_catalog
from benchmarks.data.real_sets import own_store
from benchmarks.lib.figures import Figure, figure
from data.catalog.catalog import Dataset, find_dataset
from data.rows.splits import SPLITS
from data.text.encoder import Encoder
from rnn_models.checkpoints.checkpoint import load_model
from rnn_models.decoding.predict import predict_all
from tasks.ingestion.partitions import ROWS, PartitionRows, piece_key
from tasks.ingestion.snapshot import make_snapshot
from tasks.ingestion.snapshot_log import SnapshotLog
from tasks.maintenance.prune import KINDS, find_prunable, prune
from tasks.registry import mlflow_client
from tasks.registry.registered_model import Loaded
from tasks.registry.versions import SCORES, versions_of
from tasks.store.artifacts import Checkpoint, Scores, Snapshot, TokenSet
from tasks.store.home import home

COMMAND = "python -m benchmarks.data.prune"


@dataclass(frozen=True)
class Version:
    """A registered version as it was before: where it came from, and what it said."""

    number: str
    scores: Scores
    aliases: list[str]
    predictions: list[Any]


@dataclass(frozen=True)
class Round:
    """One call of prune: folders removed, needed things lost, and folders left without need."""

    name: str
    removed: int
    needed: int
    lost: Counter[str]
    left: int


def versions(texts: list[str]) -> list[Version]:
    """All registered versions, from MLflow alone, with what they say to some texts."""
    found = []
    for info in versions_of(NAME):
        scores = Scores.find(NAME, info.tags[SCORES])
        number = str(info.version)
        assert scores is not None
        predictions = Loaded.of(NAME, number).predict(pd.DataFrame({"text": texts}), None)
        found.append(
            Version(
                number,
                scores,
                mlflow_client.aliases_of(NAME, number),
                predictions.to_numpy().tolist(),
            )
        )
    return found


def load_past(version: Version) -> None:
    """Load all that a version was made of, and let its checkpoint predict again."""
    scores = version.scores
    assert Scores.find(NAME, scores.digest) == scores
    np.load(scores.folder / "statistics.npz")["accuracy"]
    outputs = pd.read_parquet(scores.folder / "outputs.parquet")
    checkpoint = Checkpoint.find(NAME, scores.checkpoint)
    tokens = TokenSet.find(NAME, scores.tokens)
    assert checkpoint is not None
    assert tokens is not None
    problem, model = load_model(checkpoint.folder)
    encoder = Encoder.load(tokens.folder)
    examples = {split: tokens.examples(split) for split in SPLITS}
    texts = [encoder.decode(output.ids) for output in predict_all(problem, model, examples["test"])]
    assert texts == outputs["output"].tolist()
    load_rows(tokens.snapshot_of())


def load_rows(snapshot: Snapshot) -> None:
    """Read all rows of a snapshot, as many as its manifest says."""
    for split in SPLITS:
        assert snapshot.table(split).num_rows == snapshot.rows[split]


def load_newest(entry: Dataset) -> None:
    """Ingest again: nothing is new, so the snapshot is the one that is there."""
    last = SnapshotLog.of(NAME).last
    assert last is not None
    snapshot, is_new = make_snapshot(entry)
    assert (snapshot.digest, is_new) == (last.snapshot, False)
    load_rows(snapshot)


def piece_loads() -> Iterator[Callable[[], None]]:
    """A check for each piece that the next ingestion goes on from."""
    last = SnapshotLog.of(NAME).last
    assert last is not None
    for piece in last.known_pieces():

        def load(key: str = piece_key(piece, last.rows_key)) -> None:
            kept = PartitionRows.find(NAME, key)
            assert kept is not None
            assert pq.read_table(kept.folder / ROWS).num_rows == kept.rows

        yield load


def predicts_alike(version: Version, texts: list[str]) -> None:
    """Load a version from MLflow and let it speak again."""
    predictions = Loaded.of(NAME, version.number).predict(pd.DataFrame({"text": texts}), None)
    assert predictions.to_numpy().tolist() == version.predictions


def pruned(
    name: str, entry: Dataset, known: list[Version], texts: list[str], *, only_aliased: bool
) -> Round:
    """Prune, then load all that is needed and count what does not."""
    found = find_prunable(days=0, only_aliased=only_aliased)
    prune(found)
    keeping = [version for version in known if version.aliases or not only_aliased]
    checks: list[tuple[str, Callable[[], None]]] = [("newest snapshot", lambda: load_newest(entry))]
    checks += [("kept piece", load) for load in piece_loads()]
    checks += [("past of a version", partial(load_past, version)) for version in keeping]
    checks += [("model", partial(predicts_alike, version, texts)) for version in known]
    lost = Counter(kind for kind, check in checks if not succeeds(check))
    left = sum(len([*(home() / kind.KIND).glob("*/")]) for kind in KINDS) - num_needed(keeping)
    return Round(name, len(found), len(checks), lost, left)


def num_needed(keeping: list[Version]) -> int:
    """How many folders there must be, counted from the versions alone."""
    folders = {version.scores.folder for version in keeping}
    for version in keeping:
        tokens = TokenSet.find(NAME, version.scores.tokens)
        folders |= {
            Checkpoint.folder_of(NAME, version.scores.checkpoint),
            TokenSet.folder_of(NAME, version.scores.tokens),
        }
        folders |= {Snapshot.folder_of(NAME, tokens.snapshot)} if tokens else set()
    last = SnapshotLog.of(NAME).last
    assert last is not None
    return len(folders | {Snapshot.folder_of(NAME, last.snapshot)}) + len(last.known_pieces())


def succeeds(check: Callable[[], None]) -> bool:
    """Whether something loads as it must."""
    try:
        check()
    except Exception as error:  # whatever it is, that is what is counted
        print(f"lost: {type(error).__name__}: {error}", flush=True)
        return False
    return True


def measure() -> list[Round]:
    """Fill a store and prune it twice."""
    with own_store() as folder, own_mlflow():
        catalog = write_catalog(folder)
        fill(folder, catalog)
        entry = find_dataset(NAME, catalog)
        texts = made_texts(np.random.default_rng(99), 50, mean=8)
        known = versions(texts)
        return [
            pruned("every version", entry, known, texts, only_aliased=False),
            pruned("only aliased", entry, known, texts, only_aliased=True),
        ]


def figures(found: list[Round] | None = None) -> list[Figure]:
    """What is measured as figures with their goals."""
    found = found or measure()
    lost = sum(each.lost.total() for each in found)
    needed = sum(each.needed for each in found)
    note = (
        f"of {needed} needed things loaded after prune removed "
        f"{sum(each.removed for each in found)} folders"
    )
    return [
        figure(
            "prune_lost", lost, unit="things", goal=0, better="lower", command=COMMAND, note=note
        )
    ]


def main() -> None:
    """Print the table."""
    print(f"{'versions that keep':<20}{'removed':>9}{'needed':>8}{'lost':>6}{'left over':>11}")
    found = measure()
    for each in found:
        print(
            f"{each.name:<20}{each.removed:>9}{each.needed:>8}{each.lost.total():>6}{each.left:>11}"
        )
    (item,) = figures(found)
    print(f"\n{item.figure}: {item.value:g} {item.unit} (goal {item.goal:g}); {item.note}")


if __name__ == "__main__":
    main()

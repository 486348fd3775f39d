"""The nouns that travel between tasks, their digests and their folders.

A noun's folder is named by a digest of its inputs, of the settings that matter
to it and of the code that makes it. Files are written first and
``manifest.json`` last, so a folder without a manifest does not exist.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rnn_models.batching.batch import Examples, Ragged, Words
from rnn_models.layers.word_vectors import Vectors
from rnn_models.problem import Sizes
from tasks.store import durable
from tasks.store.home import home
from tasks.store.lookup import begin_work

MANIFEST = "manifest.json"
VECTORS, KNOWN = "vectors.npy", "vectors.known.npy"


@dataclass(frozen=True, kw_only=True)
class Noun:
    """Something a task made: what it is and where it lies."""

    KIND: ClassVar[str]
    dataset: str
    digest: str

    @classmethod
    def folder_of(cls, dataset: str, key: str) -> Path:
        """The folder of a noun, whether it is there or not."""
        return home() / cls.KIND / f"{dataset}-{key}"

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return self.folder_of(self.dataset, self.digest)

    @classmethod
    def find(cls, dataset: str, key: str) -> Self | None:
        """The noun, if it was made and finished before."""
        path = cls.folder_of(dataset, key) / MANIFEST
        return cls(**json.loads(path.read_text())) if path.exists() else None

    @classmethod
    @contextmanager
    def making(cls, dataset: str, key: str, *, keep_partial: bool = False) -> Iterator[Path]:
        """Give the folder to write into; what a failure leaves behind is removed.

        Args:
            dataset: Name of the dataset.
            key: Digest of the noun.
            keep_partial: Keep what is there, before and after a failure, to go on from it.
        """
        begin_work()
        folder = cls.folder_of(dataset, key)
        if not keep_partial:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            yield folder
        except BaseException:
            if not keep_partial:
                shutil.rmtree(folder, ignore_errors=True)
            raise

    def commit(self) -> Self:
        """Flush all files, then write the manifest: from now on the artifact exists."""
        durable.flush(self.folder)
        durable.write_json(self.folder / MANIFEST, asdict(self))
        return self


@dataclass(frozen=True, kw_only=True)
class Snapshot(Noun):
    """Checked rows, Parquet per split, and the refused ones with their reasons.

    ``splits`` maps each split to a digest of its rows: what two scores must
    have in common to be compared.
    """

    KIND: ClassVar[str] = "snapshots"
    rows: dict[str, int]
    splits: dict[str, str]
    reasons: dict[str, int]

    def table(self, split: str) -> pa.Table:
        """The rows of a split."""
        return pq.read_table(self.folder / f"{split}.parquet")


@dataclass(frozen=True, kw_only=True)
class TokenSet(Noun):
    """Ids per split, memory-mapped, and the vocabularies they were made with."""

    KIND: ClassVar[str] = "tokens"
    problem: str
    tokenizer: str
    snapshot: str
    rows: dict[str, int]
    sizes: dict[str, Any]
    limit: int
    test_split: str
    settings: dict[str, Any]
    format: str = ""

    def examples(self, split: str) -> Examples:
        """The ids of a split, mapped from disk."""
        is_spelled = (self.folder / f"{split}.forms.npy").exists()
        words = (
            Words(self._column(split, "forms"), self._column(split, "spellings"))
            if is_spelled
            else None
        )
        return Examples(self._column(split, "source"), self._column(split, "target"), words)

    def _column(self, split: str, name: str) -> Ragged:
        ids = np.load(self.folder / f"{split}.{name}.npy", mmap_mode="r")
        return Ragged(ids, np.load(self.folder / f"{split}.{name}.offsets.npy"))

    def word_vectors(self) -> Vectors | None:
        """The vectors that the source ids start from, where settings name a file of them."""
        if not (self.folder / VECTORS).exists():
            return None
        return np.load(self.folder / VECTORS), np.load(self.folder / KNOWN)

    def model_sizes(self) -> Sizes:
        """What a model must know of the vocabularies."""
        return Sizes(**self.sizes | {"labels": tuple(self.sizes["labels"])})

    def snapshot_of(self) -> Snapshot:
        """The snapshot the ids were made from.

        Raises:
            ValueError: If somebody removed it from the store.
        """
        found = Snapshot.find(self.dataset, self.snapshot)
        if found is None:
            raise ValueError(
                f"snapshot {self.snapshot} of {self.dataset} is gone from {home()}: ingest again"
            )
        return found


@dataclass(frozen=True, kw_only=True)
class Checkpoint(Noun):
    """Weights of the best epoch, settings, history; ``mlflow_run`` is where it can be followed.

    ``validation_score`` is that of the best epoch as it is shown, such as
    ``entity F1 85.30``. ``ended`` names the setting that ended the training,
    and ``improving`` what was best in its last epoch, such as ``loss 0.805``,
    empty where nothing was.
    ``machine`` is what trained it, as ``rnn_models/checkpoints/machine.py`` describes one.
    """

    KIND: ClassVar[str] = "checkpoints"
    problem: str
    tokens: str
    mlflow_run: str
    epochs: int
    best_epoch: int
    validation_loss: float
    clipped_share: float
    train_seconds: float
    num_parameters: int
    settings: dict[str, Any]
    machine: dict[str, str] = field(default_factory=dict)
    validation_score: str = ""
    ended: str = ""
    improving: str = ""


@dataclass(frozen=True, kw_only=True)
class Scores(Noun):
    """Scores on one split with intervals, in percent, those of the baselines, and per-example results.

    ``baseline`` is the one that scored best on the validation split, empty in
    scores of before that was asked; ``bleu_tokenizer`` cut the texts for BLEU.
    """

    KIND: ClassVar[str] = "scores"
    problem: str
    checkpoint: str
    tokens: str
    mlflow_run: str
    test_split: str
    metrics: dict[str, dict[str, Any]]
    baselines: dict[str, dict[str, float]]
    baseline: str = ""
    bleu_tokenizer: str = ""
    raw_text: dict[str, float] = field(
        default_factory=dict
    )  # by metric, where raw text is cut another way than rows are

    @property
    def headline(self) -> str:
        """Name of the metric that decides."""
        return next(iter(self.metrics))


@dataclass(frozen=True, kw_only=True)
class SystemScores(Noun):
    """How one system does on one split, in percent, and what it costs: an encoder or a cheap system, by its name.

    ``num_parameters`` counts what it takes from the training split; speeds are
    in source tokens per second, that of a cheap system's predictions unknown.
    """

    KIND: ClassVar[str] = "comparisons"
    tokens: str
    system: str
    checkpoint: str
    split: str
    split_digest: str
    metrics: dict[str, dict[str, Any]]
    minutes: float
    num_parameters: int
    train_tokens_per_second: float
    predict_tokens_per_second: float | None


@dataclass(frozen=True, kw_only=True)
class Health(Noun):
    """How gradients fare in the first steps of a training, with clipping and without: a report and its page."""

    KIND: ClassVar[str] = "health"
    tokens: str
    verdict: str
    clip_norm: float | None


@dataclass(frozen=True)
class ModelVersion:
    """A registered model: nothing of it is in the store, it lies in MLflow."""

    name: str
    version: str
    mlflow_run: str
    scores: str


@dataclass(frozen=True, kw_only=True)
class Promotion(Noun):
    """Whether a challenger became champion, why or why not, and what that was decided from.

    ``against`` is whom it had to beat. ``comparison`` and ``classes`` are those
    of ``rnn_models/evaluation/significance.py``, empty where none was made; ``settings`` are all of promotion.
    """

    KIND: ClassVar[str] = "promotions"
    version: str
    is_promoted: bool
    reason: str
    metric: str
    challenger_score: float
    champion_version: str
    champion_score: float | None
    scores: str
    mlflow_run: str
    against: str = ""
    comparison: dict[str, Any] = field(default_factory=dict)
    classes: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    aliases: list[str] = field(default_factory=list)

    def seen_now(self, aliases: list[str]) -> "Promotion":
        """The same decision with the aliases that the version has today."""
        return replace(self, aliases=aliases)

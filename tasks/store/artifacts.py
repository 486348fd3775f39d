"""The artifacts that tasks pass on, with their fields and how their files are read."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rnn_models.batching.batch import Examples, Ragged, Words
from rnn_models.layers.word_vectors import Vectors
from rnn_models.problem import Sizes
from tasks.store.artifact_base import Artifact
from tasks.store.home import home

VECTORS = "vectors.npy"
KNOWN = "vectors.known.npy"


@dataclass(frozen=True, kw_only=True)
class Snapshot(Artifact):
    """Checked rows, one Parquet file per split, and the rejected rows with their reasons.

    ``splits`` maps each split to a digest of its rows: two scores are compared
    only if the digests of their splits are equal.
    """

    KIND: ClassVar[str] = "snapshots"
    rows: dict[str, int]
    splits: dict[str, str]
    reasons: dict[str, int]

    def table(self, split: str) -> pa.Table:
        """Read the rows of a split."""
        return pq.read_table(self.folder / f"{split}.parquet")


@dataclass(frozen=True, kw_only=True)
class TokenSet(Artifact):
    """Ids per split, memory-mapped, and the vocabularies that encode them.

    ``vectors`` is the digest of the learned word vectors; empty if there are none.
    """

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
    vectors: str = ""

    def examples(self, split: str) -> Examples:
        """Map the ids of a split from disk."""
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
        """Load the pretrained vectors of the source ids, if the settings name a file of them."""
        if not (self.folder / VECTORS).exists():
            return None
        return np.load(self.folder / VECTORS), np.load(self.folder / KNOWN)

    def model_sizes(self) -> Sizes:
        """Return the vocabulary sizes and labels that a model is built with."""
        return Sizes(**self.sizes | {"labels": tuple(self.sizes["labels"])})

    def snapshot_of(self) -> Snapshot:
        """Find the snapshot of these ids.

        Raises:
            ValueError: If it was removed from the store.
        """
        found = Snapshot.find(self.dataset, self.snapshot)
        if found is None:
            raise ValueError(
                f"snapshot {self.snapshot} of {self.dataset} is missing in {home()}: ingest again"
            )
        return found


@dataclass(frozen=True, kw_only=True)
class Checkpoint(Artifact):
    """Weights of the best epoch, settings and training history.

    ``mlflow_run`` is the id of the training's MLflow run. ``validation_score``
    is the formatted score of the best epoch, such as ``entity F1 85.30``.
    ``ended`` names the setting that ended the training. ``improving`` names the
    metric that was best in the last epoch, such as ``loss 0.805``; empty if
    none was. ``machine`` describes the machine of the training (see
    ``rnn_models/checkpoints/machine.py``).
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
class Scores(Artifact):
    """Scores on one split in percent with intervals, baselines, and per-example results.

    ``baseline`` names the best baseline on the validation split; empty in old
    scores. ``bleu_tokenizer`` names the tokenizer of BLEU. ``raw_text`` has the
    scores, by metric, on raw text that is tokenized differently from the rows.
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
    raw_text: dict[str, float] = field(default_factory=dict)

    @property
    def headline(self) -> str:
        """The name of the metric that promotions compare."""
        return next(iter(self.metrics))


@dataclass(frozen=True, kw_only=True)
class SystemScores(Artifact):
    """Scores in percent, training time and size of one system, an encoder or a baseline.

    ``num_parameters`` counts the values learned from the training split. Speeds
    are in source tokens per second; the prediction speed of a baseline is not
    measured.
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
class Health(Artifact):
    """Gradients in the first steps of a training, with and without clipping: report and page."""

    KIND: ClassVar[str] = "health"
    tokens: str
    verdict: str
    clip_norm: float | None


@dataclass(frozen=True)
class ModelVersion:
    """A registered model version; its files are in MLflow, not in the store."""

    name: str
    version: str
    mlflow_run: str
    scores: str


@dataclass(frozen=True, kw_only=True)
class Promotion(Artifact):
    """The decision whether a challenger became champion, its reason and its evidence.

    ``against`` names the system to beat. ``comparison`` and ``classes`` come
    from ``rnn_models/evaluation/significance.py``; empty if no comparison was
    made. ``settings`` are all promotion settings. ``asked_until`` is the end of
    the question, if a person decides and has not yet; ``decided_by`` is the
    person who did.
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
    asked_until: str = ""
    decided_by: str = ""

    def seen_now(self, aliases: list[str], mlflow_run: str) -> "Promotion":
        """Return this decision with the current aliases and MLflow run of the version."""
        return replace(self, aliases=aliases, mlflow_run=mlflow_run)

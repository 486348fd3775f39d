"""The shape of a model's answers, as an output kind: columns, parameters, scoring, card lines.

A problem names its output kind. Scoring, serving, promotion and pages ask the
kind and know no problem by name. Nothing here knows a store, a server or rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray

from rnn_models.batching.batch import Examples

Row = str | Sequence[str]  # a raw text, or one that is cut into tokens already
Changes = Mapping[str, Any]


@dataclass(frozen=True)
class ListOf:
    """A column of lists."""

    item: "ColumnType"


@dataclass(frozen=True)
class MapOf:
    """A column of maps from names, which differ between models, to values."""

    value: "ColumnType"


@dataclass(frozen=True)
class StructOf:
    """A column of records."""

    fields: Mapping[str, "ColumnType"]


ColumnType = type[str] | type[float] | type[int] | type[bool] | ListOf | MapOf | StructOf


@dataclass(frozen=True)
class Input:
    """A column that a registered model reads.

    ``is_trained`` marks one that a model reads only if its training rows had it.
    """

    type: ColumnType
    is_optional: bool = False
    is_trained: bool = False


@dataclass(frozen=True)
class Headline:
    """The score of an epoch: its name in MLflow, its title on pages, and its decimal places."""

    name: str
    title: str
    digits: int = 2

    def shown(self, value: float) -> str:
        """Format title and value, as in ``entity F1 85.30``."""
        return f"{self.title} {value:.{self.digits}f}"


@dataclass(frozen=True, kw_only=True)
class NoParameters:
    """The request parameters of a kind that has none."""


@dataclass(frozen=True)
class Request:
    """One call of a registered model: rows, labels that its texts start from, parameters."""

    rows: Sequence[Row]
    labels: Sequence[Any] | None
    parameters: Any


class Decoder(Protocol):
    """Turns ids back into what a row holds."""

    def decode(self, ids: Sequence[Any], *, copied: Sequence[int] = (), source: str = "") -> Any:
        """Decode the ids of one target."""


class ServedModel(Protocol):
    """A model with its vocabularies, as an output kind uses it to answer a request."""

    model: Any

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of labels or tags."""

    def examples(self, rows: Sequence[Row]) -> Examples:
        """Encode rows."""

    def outputs(self, rows: Sequence[Row], changes: Changes = ...) -> list[Any]:
        """Give the problem's outputs for rows, with some settings changed for this call."""

    def decode(self, output: Any, row: Row) -> Any:
        """Decode one output."""

    def predict_best(
        self, rows: Sequence[Row], changes: Changes = ...
    ) -> list[list[tuple[Any, float]]]:
        """Give the best predictions for each row with their scores, best first."""

    def predict_entities(
        self, rows: Sequence[Row], changes: Changes = ...
    ) -> list[tuple[list[str], float, list[Any]]]:
        """Give tags, score and entities of each row."""

    def continuations(
        self, beginnings: Sequence[str], labels: Sequence[Any] | None, changes: Changes = ...
    ) -> tuple[list[str], list[float]]:
        """Continue texts."""

    def token_costs(
        self, texts: Sequence[str], labels: Sequence[Any] | None = None
    ) -> list[list[float]]:
        """Give the negative log-likelihood of each token of each text."""


def keep_value(value: Any) -> Any:
    """Take a value as it is."""
    return value


def decode_output(decoder: Decoder, output: Any, row: Any) -> Any:
    """Decode an ``Output`` of target ids."""
    return decoder.decode(output.ids, copied=output.copied, source=row)


def decode_targets(decoder: Decoder, targets: Sequence[Any]) -> list[Any]:
    """Decode the targets that a baseline predicts."""
    return [decoder.decode(ids) for ids in targets]


def output_ids(output: Any) -> list[int]:
    """Give the target ids of an ``Output``."""
    ids: list[int] = output.ids
    return ids


def keep_pairs(
    predictions: list[Any], references: list[Any], *, is_joined: bool
) -> tuple[list[Any], list[Any]]:
    """Pair each prediction with its reference, each row by itself."""
    return predictions, references


# Predictions of all examples as a metric takes them, and columns of the table of outputs.
Predictions = tuple[list[Any], dict[str, list[Any]]]


@dataclass(frozen=True, kw_only=True)
class OutputKind:
    """One shape of answers, and all that depends on it.

    Serving:
        ``column`` names the column of the predictions; ``inputs`` are the
        columns that a request has, ``columns`` those of an answer;
        ``parameters`` is a dataclass of settings whose ``__post_init__``
        checks what depends on two of them. ``answer`` gives the columns for a
        request, ``render`` the lines that a person reads of one row.
        ``is_continuation`` marks texts that are continued: their beginning may be empty.
        ``confidence`` names the column of scores from 0 to 1, empty for none.

    Scoring:
        ``predictions`` gives what a metric compares with the references, which
        ``reference`` makes of the values in the target column.
        ``decode`` decodes one output of ``Problem.predict`` of a row,
        ``decode_targets`` the targets that a baseline predicts; ``pairs``
        joins both sides where the rows are lines of one text. ``has_entities``
        marks tags of tokens, which are scored on raw text too.

    Validation:
        After an epoch only ids are known. ``ids`` gives those of an output,
        ``from_ids`` makes of ids and the names of labels what the headline
        metric compares. ``headline`` replaces name and title of the metric
        where ids alone give another value; ``score_of_loss`` computes the
        score without predictions. ``is_decoded`` marks texts that are decoded
        token by token, which takes long.

    Promotion:
        ``scoring_parameters`` are those of the request whose answers are
        scored, ``served_predictions`` takes the predictions out of them.
        ``parity_requests`` are the parameters of all requests that a version
        must answer exactly as its training did.

    Pages:
        ``shape``, ``limit`` (``{names}`` stands for the labels) and
        ``architecture`` are phrases of the model card; ``classes_title`` names
        the classes of answers, where they have some. ``long_rows`` is what
        happens to training rows beyond ``max_length``.
    """

    column: str
    inputs: Mapping[str, Input]
    columns: Mapping[str, ColumnType]
    answer: Callable[[ServedModel, Request], dict[str, list[Any]]]
    render: Callable[[Mapping[str, Any]], list[str]]
    parameters: type[Any] = NoParameters
    is_continuation: bool = False
    confidence: str = "score"

    predictions: Callable[[Any, Any, Examples, Callable[[list[Any]], list[Any]]], Predictions]
    reference: Callable[[Any], Any] = keep_value
    decode: Callable[[Decoder, Any, Any], Any] = decode_output
    decode_targets: Callable[[Decoder, Sequence[Any]], list[Any]] = decode_targets
    pairs: Callable[..., tuple[list[Any], list[Any]]] = keep_pairs
    has_entities: bool = False

    from_ids: Callable[[Sequence[Any], Sequence[str]], Any]
    ids: Callable[[Any], Sequence[Any]] = output_ids
    headline: Headline | None = None
    score_of_loss: Callable[[float], float] | None = None
    is_decoded: bool = False
    token_nats: Callable[[Any, Examples], list[NDArray[Any]]] | None = None

    scoring_parameters: Mapping[str, Any] = field(default_factory=dict)
    served_predictions: Callable[[Mapping[str, list[Any]]], list[Any]] | None = None
    parity_requests: tuple[Mapping[str, Any], ...] = ({},)

    shape: str
    limit: str
    architecture: Callable[[Mapping[str, Any]], str]
    classes_title: str = ""
    long_rows: str = "cut"

    @property
    def read_side(self) -> str:
        """Name of the side of the examples that the encoder reads: source or target."""
        return "target" if self.is_continuation else "source"

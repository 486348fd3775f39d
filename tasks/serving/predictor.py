"""A model with its vocabularies, read from one folder: raw rows in, predictions out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, pairwise
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.text.encoder import Encoder, Tokenizer
from data.text.settings import UNK_ID
from data.text.spans import Entity, Span, entities
from rnn_models.batching.batch import EOS_ID, Examples, Ragged, Words
from rnn_models.checkpoints.checkpoint import load_model
from rnn_models.decoding.predict import predict_all
from rnn_models.output_kind import Changes, OutputKind, Row
from tasks.serving.time_limit import TimeLimit

NOTHING: Changes = {}


class Predictor:
    """A trained model and its encoder, ready for raw texts.

    A call may change some settings. They are the model's own for that long, so
    calls from several threads wait for one another.
    """

    def __init__(self, folder: Path) -> None:
        """Read a folder that holds a checkpoint's and a token set's files."""
        self.encoder = Encoder.load(folder)
        self.model: Any
        self.problem, self.model = load_model(folder)
        self.lock = Lock()
        self.limit = TimeLimit(self.model)

    @property
    def kind(self) -> OutputKind:
        """The shape of its answers."""
        return self.problem.output

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of labels or tags."""
        return self.encoder.labels

    @contextmanager
    def _changed(self, changes: Changes) -> Iterator[None]:
        with self.lock:
            own = getattr(self.model, "settings", None)
            if own is None or not changes:  # a classifier has no settings to change
                yield
                return
            self.model.settings = own.with_changes(changes)
            try:
                yield
            finally:
                self.model.settings = own

    def examples(self, rows: Sequence[Row]) -> Examples:
        """Encode raw texts, or texts that are cut into tokens already."""
        cut = [self.encoder.cut(row) if isinstance(row, str) else list(row) for row in rows]
        source = Ragged(*self.encoder.source.encode(cut))
        spelled = self.encoder.spell(cut)
        no_targets = Ragged(np.zeros(0, np.int32), np.zeros(len(rows) + 1, np.int64))
        words = Words(*(Ragged(*column) for column in spelled)) if spelled else None
        return Examples(source, no_targets, words)

    def outputs(self, rows: Sequence[Row], changes: Changes = NOTHING) -> list[Any]:
        """Give the problem's outputs for rows."""
        examples = self.examples(rows)
        with self._changed(changes):
            return predict_all(self.problem, self.model, examples)

    def unfamiliar(self, rows: Sequence[Row]) -> list[bool]:
        """Whether more than half of a row's characters are in tokens that training does not know.

        Where words are spelled, a word is unknown as far as its characters are, because a tagger
        is meant to find new names.
        """
        return [_is_most_unknown(*self._unknown(row)) for row in rows]

    def _unknown(self, row: Row) -> tuple[NDArray[np.integer[Any]], NDArray[np.bool_]]:
        """Count the characters of each token of a row and mark the unknown tokens.

        Where words are spelled, each character counts as a token.
        """
        if self.encoder.characters:
            letters = "".join(self.encoder.cut(row) if isinstance(row, str) else row)
            known = self.encoder.characters.known
            return np.ones(len(letters), np.int64), np.array(
                [letter not in known for letter in letters], dtype=bool
            )
        if isinstance(row, str):
            ids, _, spans = self._read_by.encode_with_offsets([row])
            return spans[:, 1] - spans[:, 0], ids == UNK_ID
        ids, _ = self.encoder.source.encode([list(row)])
        return np.array([len(token) for token in row] or [0]), ids == UNK_ID

    @property
    def _read_by(self) -> Encoder | Tokenizer:
        """What reads raw texts: of a text that is continued, the tokenizer of the target."""
        target = self.encoder.target
        if self.kind.is_continuation and isinstance(target, Tokenizer):
            return target
        return self.encoder

    def decode(self, output: Any, row: Row) -> Any:
        """Decode one output for a row."""
        return self.kind.decode(self.encoder, output, row)

    def predict(self, texts: Sequence[str]) -> tuple[list[Any], list[float]]:
        """Predict each text, with scores from 0 to 1; of a beginning, the whole text."""
        if self.kind.is_continuation:
            return self.continue_texts(texts)
        best = [row[0] for row in self.predict_best(texts)]
        return [prediction for prediction, _ in best], [score for _, score in best]

    def continue_texts(
        self,
        beginnings: Sequence[str],
        labels: Sequence[Any] | None = None,
        changes: Changes = NOTHING,
        *,
        is_strict: bool = True,
    ) -> tuple[list[str], list[float]]:
        """Continue texts as ``continuations`` does, and give the whole texts."""
        more, scores = self.continuations(beginnings, labels, changes, is_strict=is_strict)
        return [text + rest for text, rest in zip(beginnings, more, strict=True)], scores

    def continuations(
        self,
        beginnings: Sequence[str],
        labels: Sequence[Any] | None = None,
        changes: Changes = NOTHING,
        *,
        is_strict: bool = True,
    ) -> tuple[list[str], list[float]]:
        """Continue texts from their beginnings, which may be empty, and from their labels.

        Args:
            beginnings: The beginning of each text.
            labels: One each, None for a text without; none for no labels at all.
            changes: Settings of sampling for this call.
            is_strict: Reject a label that training did not have; else the text starts from none.

        Returns:
            The continuations, and the mean probability of their tokens.

        Raises:
            ValueError: If the model does not continue texts, or a label is unknown.
        """
        if not self.kind.is_continuation:
            raise ValueError(
                f"only a language model continues texts, this model predicts {self.kind.column}"
            )
        begun = self._text_ids(beginnings)
        starts = self._starts(labels, len(beginnings), is_strict=is_strict)
        with self._changed(changes):
            outputs = predict_all(self.problem, self.model, Examples(starts, Ragged.of(begun)))
        texts = [self._after(ids, o.ids) for ids, o in zip(begun, outputs, strict=True)]
        return texts, [o.score for o in outputs]

    def token_costs(
        self, texts: Sequence[str], labels: Sequence[Any] | None = None
    ) -> list[list[float]]:
        """Compute the negative log-likelihood of each token of texts and of their ends, in nats."""
        assert self.kind.token_nats
        # As with test rows: a label that training never saw counts as none.
        source = self._starts(labels, len(texts), is_strict=False)
        examples = Examples(source, Ragged(*self.encoder.target.encode(list(texts))))
        return [costs.tolist() for costs in self.kind.token_nats(self.model, examples)]

    def _text_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode beginnings; those of a running text have an end at each line."""
        is_joined = self.model.settings.joined_texts
        encode = self.encoder.source.encode
        found = []
        for text in texts:
            lines = text.split("\n") if is_joined else [text]
            rows = [Ragged(*encode([line])).row(0) if line else [] for line in lines]
            found.append([*rows[0], *(i for row in rows[1:] for i in (EOS_ID, *row))])
        return found

    def _after(self, begun: list[int], ids: list[int]) -> str:
        """Decode ids that follow others: the space between two pieces depends on both."""
        before, whole = (self._lines(part) for part in (begun, [*begun, *ids]))
        return whole[len(before) :]

    def _lines(self, ids: list[int]) -> str:
        ends = [index for index, i in enumerate(ids) if i == EOS_ID]
        lines = [ids[a + 1 : b] for a, b in pairwise([-1, *ends, len(ids)])]
        return "\n".join(self.encoder.decode(line) for line in lines)

    def _starts(self, labels: Sequence[Any] | None, num: int, *, is_strict: bool = True) -> Ragged:
        """Encode labels, a row each; empty where there is none.

        Raises:
            ValueError: If the model was not trained with a label.
        """
        known = self.encoder.starts.names if self.encoder.starts else ()
        given = [
            None if label is None or label != label else str(label)
            for label in labels or [None] * num
        ]
        unknown = next((label for label in given if label is not None and label not in known), None)
        if unknown is not None and is_strict:
            expected = (
                f"expected one of {', '.join(known)}"
                if known
                else "this model was trained without labels"
            )
            raise ValueError(f"label: there is no {unknown!r}, {expected}")
        return Ragged.of([[known.index(label)] if label in known else [] for label in given])

    def predict_best(
        self, rows: Sequence[Row], changes: Changes = NOTHING
    ) -> list[list[tuple[Any, float]]]:
        """Give the ``num_best`` best predictions for each row with their scores, best first."""
        pairs = zip(self.outputs(rows, changes), rows, strict=True)
        return [
            [(self.decode(each, row), each.score) for each in (first, *first.others)]
            for first, row in pairs
        ]

    def predict_entities(
        self, rows: Sequence[Row], changes: Changes = NOTHING
    ) -> list[tuple[list[str], float, list[Entity]]]:
        """Give tags, score, and entities with their characters in the raw text, for each row.

        With the setting ``confidences`` each entity has a score of its own.

        Args:
            rows: Raw texts, or tokens, whose text ``joined`` makes.
            changes: Settings that differ for this call.

        Raises:
            ValueError: If the model does not tag.
        """
        if not self.kind.has_entities:
            raise ValueError(
                f"only a tagger finds entities, this model predicts {self.kind.column}"
            )
        found = []
        for output, row in zip(self.outputs(rows, changes), rows, strict=True):
            text, spans = self.joined(row)
            # An empty text is read as one token, which has no span.
            tags = self.encoder.decode(output.ids)[: len(spans)]
            marked = entities(text, spans, tags)
            for entity, score in zip(marked, output.entity_scores, strict=False):
                entity["score"] = score
            found.append((tags, output.score, marked))
        return found

    def joined(self, row: Row) -> tuple[str, list[Span]]:
        """Give the text of a row, and the span of each of its tokens; tokens stand side by side."""
        if isinstance(row, str):
            return row, self.encoder.spans(row)
        return side_by_side(self.encoder.kind, row)


def _is_most_unknown(lengths: NDArray[np.integer[Any]], is_unknown: NDArray[np.bool_]) -> bool:
    """Whether the unknown tokens have more than half of all characters."""
    return bool(2 * lengths[is_unknown].sum() > lengths.sum())


def side_by_side(kind: str, tokens: Sequence[str]) -> tuple[str, list[Span]]:
    """Join the tokens of a kind of tokenizer to a text, and give the span of each.

    Characters are joined without spaces.
    """
    joint = "" if kind == "characters" else " "
    starts = [0, *accumulate(len(token) + len(joint) for token in tokens)]
    spans = [(start, start + len(token)) for start, token in zip(starts, tokens, strict=False)]
    return joint.join(tokens), spans

"""Raw texts in, labels, tags or texts out: a model with its vocabularies, from one folder."""

from collections.abc import Iterator, Mapping, Sequence
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
from rnn_models.decoding.label_probabilities import label_probabilities
from rnn_models.decoding.predict import predict_all
from rnn_models.problem import Output

SAMPLING = (
    "temperature",
    "top_k",
    "top_p",
    "sample_length",
    "seed",
)  # settings that may be others each time
Row = str | Sequence[str]  # a raw text, or one that is cut already
Changes = Mapping[str, Any]
NOTHING: Changes = {}


class Predictor:
    """A trained model and its encoder, ready for raw texts.

    Settings may be others at each call (``asked``). They are the model's own
    for that long, so calls from several threads wait for one another.
    """

    def __init__(self, folder: Path) -> None:
        """Read a folder that holds a checkpoint's and a token set's files."""
        self.encoder = Encoder.load(folder)
        self.model: Any
        self.problem, self.model = load_model(folder)
        self.lock = Lock()

    @property
    def target(self) -> str:
        """Name of what comes out: label, tags, target or text."""
        return self.encoder.roles[-1]

    @contextmanager
    def _asked(self, asked: Changes) -> Iterator[None]:
        with self.lock:
            own = getattr(
                self.model, "settings", None
            )  # a classifier has none: nothing of it may be asked for
            if own is None or not asked:
                yield
                return
            self.model.settings = own.with_changes(asked)
            try:
                yield
            finally:
                self.model.settings = own

    def _examples(self, rows: Sequence[Row]) -> Examples:
        cut = [self.encoder.cut(row) if isinstance(row, str) else list(row) for row in rows]
        source, spelled = Ragged(*self.encoder.source.encode(cut)), self.encoder.spell(cut)
        nothing = Ragged(np.zeros(0, np.int32), np.zeros(len(rows) + 1, np.int64))
        words = Words(*(Ragged(*column) for column in spelled)) if spelled else None
        return Examples(source, nothing, words)

    def outputs(self, rows: Sequence[Row], asked: Changes = NOTHING) -> list[Output]:
        """What the model says of each text, or of one that is cut already, as ids."""
        examples = self._examples(rows)
        with self._asked(asked):
            return predict_all(self.problem, self.model, examples)

    def unfamiliar(self, rows: Sequence[Row]) -> list[bool]:
        """Whether more than half of a row's characters stand in tokens that training does not know.

        Where words are spelled, a word is unknown as far as its characters are: new names are what a tagger is for.
        """
        return [_is_most_unknown(*self._unknown(row)) for row in rows]

    def _unknown(self, row: Row) -> tuple[NDArray[np.integer[Any]], NDArray[np.bool_]]:
        """How many characters each token of a row has, and whether it is unknown; or the same of single characters."""
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
        """What reads raw texts: of a text that is continued, the tokenizer of what is said."""
        return (
            self.encoder.target
            if isinstance(self.encoder.target, Tokenizer) and self.target == "text"
            else self.encoder
        )

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """How likely each label of each text is, (N, K), in the order of the encoder's labels."""
        assert self.target == "label"
        return label_probabilities(self.model, self._examples(texts))

    def said(self, output: Output, text: str) -> Any:
        """What an output says of a text: a label, a list of tags, or a text."""
        return self.encoder.decode(output.ids, copied=output.copied, source=text)

    def predict(self, texts: Sequence[str]) -> tuple[list[Any], list[float]]:
        """Say what belongs to each text, and how sure it is, from 0 to 1; of a beginning, the whole text."""
        if self.target == "text":
            return self.go_on(texts)
        outputs = self.outputs(texts)
        return [self.said(o, text) for o, text in zip(outputs, texts, strict=True)], [
            o.score for o in outputs
        ]

    def go_on(
        self,
        beginnings: Sequence[str],
        labels: Sequence[Any] | None = None,
        asked: Changes = NOTHING,
        *,
        is_strict: bool = True,
    ) -> tuple[list[str], list[float]]:
        """Say texts from their beginnings, as ``continuations`` does, those included."""
        said, scores = self.continuations(beginnings, labels, asked, is_strict=is_strict)
        return [text + more for text, more in zip(beginnings, said, strict=True)], scores

    def continuations(
        self,
        beginnings: Sequence[str],
        labels: Sequence[Any] | None = None,
        asked: Changes = NOTHING,
        *,
        is_strict: bool = True,
    ) -> tuple[list[str], list[float]]:
        """Go on with texts from their beginnings, which may be empty, and from their labels.

        Args:
            beginnings: What each text begins with.
            labels: One each, None for a text without; none for no labels at all.
            asked: How ids are drawn: some of ``SAMPLING``.
            is_strict: Refuse a label that training did not have; else the text starts from none.

        Returns:
            What follows, and how likely the model found its tokens, from 0 to 1.

        Raises:
            ValueError: If the model does not say texts from their beginning, or a label is unknown.
        """
        if self.target != "text":
            raise ValueError(
                f"a text is gone on with by a model that says texts, this one says {self.target}"
            )
        begun = self._text_ids(beginnings)
        examples = Examples(
            self._starts(labels, len(beginnings), is_strict=is_strict), Ragged.of(begun)
        )
        with self._asked(asked):
            outputs = predict_all(self.problem, self.model, examples)
        return [self._after(ids, o.ids) for ids, o in zip(begun, outputs, strict=True)], [
            o.score for o in outputs
        ]

    def judge(self, texts: Sequence[str], labels: Sequence[Any] | None = None) -> list[list[float]]:
        """What each token of each text costs in nats, its end included."""
        assert self.problem.token_nats
        # As rows: a label that training never saw is none.
        source = self._starts(labels, len(texts), is_strict=False)
        examples = Examples(source, Ragged(*self.encoder.target.encode(list(texts))))
        return [costs.tolist() for costs in self.problem.token_nats(self.model, examples)]

    def _text_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of beginnings; those of a running text have an end at each line."""
        is_joined, encode = self.model.settings.joined_texts, self.encoder.source.encode
        found = []
        for text in texts:
            lines = text.split("\n") if is_joined else [text]
            rows = [Ragged(*encode([line])).row(0) if line else [] for line in lines]
            found.append([*rows[0], *(i for row in rows[1:] for i in (EOS_ID, *row))])
        return found

    def _after(self, begun: list[int], ids: list[int]) -> str:
        """The text of ids that follow others: what is between two pieces depends on both."""
        before, whole = (self._lines(part) for part in (begun, [*begun, *ids]))
        return whole[len(before) :]

    def _lines(self, ids: list[int]) -> str:
        ends = [place for place, i in enumerate(ids) if i == EOS_ID]
        lines = [ids[a + 1 : b] for a, b in pairwise([-1, *ends, len(ids)])]
        return "\n".join(self.encoder.decode(line) for line in lines)

    def _starts(self, labels: Sequence[Any] | None, num: int, *, is_strict: bool = True) -> Ragged:
        """Numbers of labels, a row each; empty where there is none.

        Raises:
            ValueError: If a label is one that the model was not trained with.
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
        self, texts: Sequence[str], asked: Changes = NOTHING
    ) -> list[list[tuple[Any, float]]]:
        """Say what may belong to each text, best first, as many as the setting ``num_best``, and how sure it is of each."""
        pairs = zip(self.outputs(texts, asked), texts, strict=True)
        return [
            [(self.said(o, text), o.score) for o in (first, *first.others)] for first, text in pairs
        ]

    def predict_entities(
        self, rows: Sequence[Row], asked: Changes = NOTHING
    ) -> list[tuple[list[str], float, list[Entity]]]:
        """Say the tags of each text, how sure it is of them, and the entities with their characters in the raw text.

        With the setting ``confidences`` each entity has a score of its own.

        Args:
            rows: Raw texts, or tokens; the text of tokens is what ``joined`` makes of them.
            asked: Settings that are others this time.

        Raises:
            ValueError: If the model does not tag.
        """
        if self.target != "tags":
            raise ValueError(f"entities are found by a model of tags, this one says {self.target}")
        found = []
        for output, row in zip(self.outputs(rows, asked), rows, strict=True):
            text, spans = self.joined(row)
            tags = self.encoder.decode(output.ids)[
                : len(spans)
            ]  # an empty text is read as one token
            marked = entities(text, spans, tags)
            for entity, score in zip(marked, output.entity_scores, strict=False):
                entity["score"] = score
            found.append((tags, output.score, marked))
        return found

    def joined(self, row: Row) -> tuple[str, list[Span]]:
        """The text of a row, and where its tokens stand in it: a text as it is, tokens side by side."""
        return (
            (row, self.encoder.spans(row))
            if isinstance(row, str)
            else side_by_side(self.encoder.kind, row)
        )


def _is_most_unknown(lengths: NDArray[np.integer[Any]], is_unknown: NDArray[np.bool_]) -> bool:
    """Whether the unknown tokens have more than half of all characters."""
    return bool(2 * lengths[is_unknown].sum() > lengths.sum())


def side_by_side(kind: str, tokens: Sequence[str]) -> tuple[str, list[Span]]:
    """The text that tokens of a kind of tokenizer make, and where each stands in it; characters stand without spaces."""
    joint = "" if kind == "characters" else " "
    starts = [0, *accumulate(len(token) + len(joint) for token in tokens)]
    return joint.join(tokens), [
        (start, start + len(token)) for start, token in zip(starts, tokens, strict=False)
    ]

"""Tiny examples of every problem, in a made-up language.

Words are ids from 4 on. A text's label is its first word's number, modulo the
labels; an odd word begins a name that even words continue; a translation has
the words in reverse order and every third one twice. A generator starts from
the label of a text, for every third text from nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import settings
from torch import Tensor, nn

from rnn_models.batching.batch import Batch, Examples, Ragged, Words, length_mask, shifted
from rnn_models.decoding.predict import predict_all
from rnn_models.problem import Problem, Sizes, find_problem, problem_names
from rnn_models.problems.generation import whole_texts
from rnn_models.settings import TrainSettings

settings.register_profile(
    "rnn_models", max_examples=40, deadline=None
)  # a busy machine is no failure
settings.load_profile("rnn_models")
torch.set_num_threads(
    1
)  # on tiny tensors two threads wait for one another: 480 s in place of 26 s on a busy machine

NUM_WORDS = 12
TAGS = ("O", "B-ka", "I-ka", "B-mo", "I-mo")
TINY = TrainSettings(
    embedding_size=10,
    hidden_size=12,
    dropout=0.2,
    token_dropout=0.1,
    label_smoothing=0.05,
    max_epochs=3,
    patience=3,
    batch_size=3,
    learning_rate=0.01,
    warmup_steps=2,
    beam_width=3,
    seed=7,
)


def label_of(text: list[int]) -> list[int]:
    return [text[0] % 3]


def tags_of(text: list[int]) -> list[int]:
    tags: list[int] = []
    for word in text:
        goes_on = word % 2 == 0 and bool(tags) and tags[-1] > 0
        tags.append(
            2 * ((tags[-1] + 1) // 2) if goes_on else (1 if word % 4 == 1 else 3) if word % 2 else 0
        )
    return tags


def translation_of(text: list[int]) -> list[int]:
    return [word + 1 for word in reversed(text) for _ in range(2 if word % 3 == 0 else 1)]


def number_of(text: list[int]) -> list[int]:
    """A number that no single word determines: the sum of all words minus their mean of 9.5."""
    return [sum(2 * word - 19 for word in text)]


# A new problem of new rows needs a line here: how its target follows from a text.
LANGUAGES: dict[tuple[str, str], tuple[Callable[[list[int]], list[int]], Sizes]] = {
    ("text", "label"): (
        label_of,
        Sizes(source=4 + NUM_WORDS, target=3, labels=("no", "so", "yes")),
    ),
    ("text", "score"): (number_of, Sizes(source=4 + NUM_WORDS, target=1)),
    ("tokens", "tags"): (tags_of, Sizes(source=4 + NUM_WORDS, target=len(TAGS), labels=TAGS)),
    ("label", "text"): (
        label_of,
        Sizes(source=3, target=4 + NUM_WORDS, labels=("no", "so", "yes")),
    ),
    ("source", "target"): (translation_of, Sizes(source=4 + NUM_WORDS, target=5 + NUM_WORDS)),
}


def shared(one: list[int], other: list[int]) -> int:
    """How many ids two texts have in common at their beginnings."""
    return next(i for i, (a, b) in enumerate(zip([*one, 1], [*other, 2], strict=False)) if a != b)


@dataclass(frozen=True)
class Posed:
    """A problem with examples in the made-up language and settings for a tiny model."""

    problem: Problem
    sizes: Sizes
    examples: Examples
    settings: TrainSettings

    @property
    def is_number(self) -> bool:
        """Whether a target is a number."""
        return self.problem.rows[1] == "score"

    @property
    def is_text(self) -> bool:
        """Whether a target has an end, which is predicted too."""
        return self.problem.rows[1] in ("target", "text")

    def model(self, **changes: object) -> nn.Module:
        """A newly initialized model with nonzero biases, in evaluation mode."""
        torch.manual_seed(3)
        model = self.problem.build(self.sizes, self.settings.with_changes(changes))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        return model.eval()

    def batch(self, indices: object = None) -> Batch:
        """The examples of these indices, or all, in one padded batch."""
        return self.examples.batch(
            np.arange(len(self.examples)) if indices is None else np.asarray(indices)
        )

    def predictions_and_targets(self, model: nn.Module) -> tuple[list[list[int]], list[list[int]]]:
        """Predictions and references of each example.

        A generator gets the prefix of each text that it shares with another text
        of the same start, and has to continue it. Texts that are a prefix of
        another are left out.
        """
        targets = [self.examples.target.row(i) for i in range(len(self.examples))]
        examples = self.examples
        known = [0] * len(targets)
        if self.problem.rows[1] == "text":
            starts = whole_texts(self.batch()).inputs[:, 0].tolist()
            texts = [[start, *text, 0] for start, text in zip(starts, targets, strict=True)]
            known = [
                max(shared(text, other) for other in texts if other is not text) for text in texts
            ]
            examples = replace(
                examples,
                target=Ragged.of([text[:n] for text, n in zip(targets, known, strict=True)]),
            )
        predictions = [
            self.problem.output.ids(o) for o in predict_all(self.problem, model, examples)
        ]
        pairs = zip(predictions, targets, known, strict=True)
        kept = [(ids, text[n:]) for ids, text, n in pairs if n <= len(text)]
        assert len(kept) > len(targets) // 2
        return [ids for ids, _ in kept], [taught for _, taught in kept]

    def logits(self, model: nn.Module, batch: Batch) -> Tensor:
        """All logits of a batch under teacher forcing: (B, K), (B, T, K) or (B, U + 1, V)."""
        if self.problem.rows[1] == "text":
            return model.project(model(whole_texts(batch).inputs, ())[0])
        if self.problem.rows[1] != "target":
            spelled = [batch.spelled] if batch.spelled else []
            return model(batch.source, batch.source_lengths, *spelled)
        read, _ = shifted(batch.target, batch.target_lengths)
        return model.project(model(batch.source, batch.source_lengths, read))

    def real_logits(self, model: nn.Module, batch: Batch) -> list[Tensor]:
        """The logits of each example, without those of its padding."""
        logits = self.logits(model, batch)
        if logits.dim() == 2:
            return list(logits)
        lengths = batch.target_lengths + self.is_text
        return [
            row[real]
            for row, real in zip(logits, length_mask(lengths, logits.shape[1]), strict=True)
        ]


def pose(name: str, num: int = 8, seed: int = 0, longest: int = 7) -> Posed:
    """Pose a problem with ``num`` texts of 1 to ``longest`` words, all different."""
    problem = find_problem(name)
    answer, sizes = LANGUAGES[problem.rows]
    random = np.random.default_rng(seed)
    lengths = random.integers(1, longest + 1, num)
    lengths[:2] = 1, longest  # padding is never missing
    texts = [(4 + random.permutation(NUM_WORDS)[:length]).tolist() for length in lengths]
    examples = Examples(Ragged.of(texts), Ragged.of([answer(text) for text in texts]))
    if problem.rows == ("text", "score"):  # standardized, as a token set has them
        numbers = np.asarray([answer(text)[0] for text in texts], dtype=np.float32)
        numbers = (numbers - numbers.mean()) / numbers.std()
        examples = Examples(examples.source, Ragged(numbers, np.arange(num + 1)))
    if problem.rows == ("label", "text"):
        examples = Examples(
            Ragged.of([answer(text) if i % 3 else [] for i, text in enumerate(texts)]),
            examples.source,
        )
    return Posed(problem, sizes, examples, TINY)


@pytest.fixture(params=problem_names())
def posed(request: pytest.FixtureRequest) -> Posed:
    """Each problem in turn, with eight examples."""
    return pose(request.param)


@pytest.fixture(
    params=[name for name in problem_names() if not find_problem(name).output.token_nats]
)
def posed_answer(request: pytest.FixtureRequest) -> Posed:
    """Each problem in turn that is scored by its predictions."""
    return pose(request.param)


@pytest.fixture(params=problem_names())
def posed_larger(request: pytest.FixtureRequest) -> Posed:
    """Each problem in turn, with twenty examples: several batches an epoch."""
    return pose(request.param, num=20)


@pytest.fixture
def sentiment() -> Posed:
    return pose("sentiment")


@pytest.fixture
def regression() -> Posed:
    return pose("regression")


@pytest.fixture
def ner() -> Posed:
    return pose("ner")


@pytest.fixture(params=["lstm", "cnn"])
def spelled_ner(request: pytest.FixtureRequest) -> Posed:
    """Words have 1 to 5 characters, and a model reads them with each encoder in turn."""
    posed = pose("ner")
    spellings = Ragged.of(
        [[4 + (3 * word + i) % 7 for i in range(1 + word % 5)] for word in range(NUM_WORDS)]
    )
    words = Words(Ragged(posed.examples.source.ids - 4, posed.examples.source.offsets), spellings)
    settings = replace(
        posed.settings, char_encoder=request.param, char_embedding_size=3, char_hidden_size=4
    )
    sizes = replace(posed.sizes, characters=11)
    examples = replace(posed.examples, words=words)
    return Posed(posed.problem, sizes, examples, settings)


@pytest.fixture
def ner_of_all_lengths() -> Posed:
    """Enough texts that each length from 1 to 7 is among them."""
    return pose("ner", num=60)


@pytest.fixture
def translation() -> Posed:
    return pose("translation")


@pytest.fixture
def generation() -> Posed:
    return pose("generation")


@pytest.fixture
def shared_translation() -> Posed:
    """Source and target text have one vocabulary, and the two sides one embedding."""
    posed = pose("translation")
    return replace(posed, sizes=Sizes(source=5 + NUM_WORDS, target=5 + NUM_WORDS, is_shared=True))

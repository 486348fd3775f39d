"""The inputs and settings of our side of ``benchmarks.speed``, as its peers read and set them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.speed.peer_environments import WORK
from rnn_models.batching.batch import Examples, Ragged, Words
from rnn_models.problem import Problem, Sizes, find_problem
from rnn_models.settings import TrainSettings

FIRST_ID = 4


UNKNOWN = 1


SHARED = {
    "encoder": "lstm",
    "precision": "float32",
    "device": "cpu",
    "max_epochs": 20,
    "batch_tokens": 1 << 20,
}


TRANSLATION = SHARED | {
    "embedding_size": 256,
    "hidden_size": 256,
    "decoder_size": 512,
    "input_feeding": True,
    "tied_embeddings": "none",
    "dropout": 0.2,
    "label_smoothing": 0.1,
    "learning_rate": 1e-3,
    "schedule": "constant",
    "batch_size": 64,
    "clip_norm": 1.0,
    "beam_width": 5,
    "copy_unknown": False,
}


SGD = SHARED | {
    "embedding_size": 100,
    "hidden_size": 256,
    "dropout": 0.5,
    "optimizer": "sgd",
    "momentum": 0.0,
    "learning_rate": 0.1,
    "weight_decay": 0.0,
    "batch_size": 32,
    "clip_norm": 5.0,
}


TAGGING = SGD | {
    "token_dropout": 0.05,
    "char_encoder": "lstm",
    "char_embedding_size": 25,
    "char_hidden_size": 25,
}


SENTIMENT = SGD | {"pooling": "last", "token_dropout": 0.0, "label_smoothing": 0.0}


Lines = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Row:
    """What is trained: the problem, its settings and examples, what it validates and is asked."""

    problem: Problem
    sizes: Sizes
    settings: TrainSettings
    train: Examples
    other: Examples


def lines_of(name: str) -> list[list[str]]:
    """The tokens of each line of an input."""
    return [line.split() for line in (WORK / name).read_text(encoding="utf-8").split("\n")[:-1]]


def known(lines: Lines, min_frequency: int = 1) -> dict[str, int]:
    """Ids of tokens, behind the special ones."""
    counted = Counter(token for line in lines for token in line)
    return {
        token: FIRST_ID + i
        for i, token in enumerate(t for t, n in counted.most_common() if n >= min_frequency)
    }


def column(lines: Lines, ids: dict[str, int]) -> Ragged:
    """Lines as ids."""
    return Ragged.of([[ids.get(token, UNKNOWN) for token in line] for line in lines])


def translation() -> Row:
    """Captions in pieces of the BPE."""
    train, test = (
        [lines_of(f"{split}.bpe.{language}") for language in ("en", "de")]
        for split in ("train", "test")
    )
    source, target = (known(lines) for lines in train)
    examples = [
        Examples(column(pair[0], source), column(pair[1], target)) for pair in (train, test)
    ]
    sizes = Sizes(source=FIRST_ID + len(source), target=FIRST_ID + len(target))
    problem = find_problem("translation")
    return Row(problem, sizes, problem.defaults.with_changes(TRANSLATION), *examples)


def tagged(name: str) -> tuple[Lines, Lines]:
    """Words and tags of the sentences of a CoNLL file."""
    texts = (WORK / name).read_text(encoding="utf-8").split("\n\n")
    rows = [
        [line.split() for line in text.split("\n") if line and not line.startswith("-DOCSTART-")]
        for text in texts
    ]
    rows = [row for row in rows if row]
    return [[cells[0] for cells in row] for row in rows], [
        [cells[3] for cells in row] for row in rows
    ]


def ner() -> Row:
    """CoNLL-2003, words that stand twice and the characters of all."""
    words, tags = tagged("train.txt")
    test_words, test_tags = tagged("test.txt")
    ids = known(words, 2)
    names = sorted({tag for row in tags for tag in row} - {"O"})
    labels = {tag: i for i, tag in enumerate(["O", *names])}
    forms = {
        word: i
        for i, word in enumerate(
            dict.fromkeys(word for row in (*words, *test_words) for word in row)
        )
    }
    letters = known([list(word) for word in forms])
    spellings = column([list(word) for word in forms], letters)

    def examples(rows: Lines, tag_rows: Lines) -> Examples:
        spelled = Words(Ragged.of([[forms[word] for word in row] for row in rows]), spellings)
        return Examples(column(rows, ids), column(tag_rows, labels), spelled)

    sizes = Sizes(
        source=FIRST_ID + len(ids),
        target=len(labels),
        labels=tuple(labels),
        characters=FIRST_ID + len(letters),
    )
    problem = find_problem("ner")
    settings = problem.defaults.with_changes(TAGGING)
    return Row(problem, sizes, settings, examples(words, tags), examples(test_words, test_tags))


def sentiment() -> Row:
    """Film reviews, words that stand twice."""
    rows = [
        line.split("\t")
        for line in (WORK / "reviews.tsv").read_text(encoding="utf-8").split("\n")[:-1]
    ]
    texts = [text.split(" ") for _, text in rows]
    labels = {"neg": 0, "pos": 1}
    ids = known(texts, 2)
    train = Examples(column(texts, ids), Ragged.of([[labels[label]] for label, _ in rows]))
    problem = find_problem("sentiment")
    sizes = Sizes(source=FIRST_ID + len(ids), target=2, labels=tuple(labels))
    return Row(problem, sizes, problem.defaults.with_changes(SENTIMENT), train, first(train, 64))


def first(examples: Examples, num: int) -> Examples:
    """The first examples of many."""
    source = Ragged(examples.source.ids, examples.source.offsets[: num + 1])
    target = Ragged(examples.target.ids, examples.target.offsets[: num + 1])
    words = examples.words and Words(
        Ragged(examples.words.forms.ids, examples.words.forms.offsets[: num + 1]),
        examples.words.spellings,
    )
    return Examples(source, target, words)

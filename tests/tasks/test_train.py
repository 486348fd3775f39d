"""What the task adds to a training: what names a checkpoint, and the word vectors it starts from."""

import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from data.errors import RowError
from data.streams import Stream
from data.token_settings import TokenSettings
from rnn_models.history import Epoch, History, Step
from rnn_models.problem import find_problem, problem_names
from rnn_models.settings import TrainSettings
from tasks.artifacts import TokenSet
from tasks.report import clipping_words, training_figure
from tasks.tokenize import sizes_of, write_token_set
from tasks.train import identified, training_code, word_vectors

ROWS = pa.table({"text": ["lumo sela", "Grak lumo", "sela nuri"] * 4, "label": ["a", "b", "a"] * 4})


@pytest.fixture
def tokens(store: Path) -> TokenSet:
    """A token set of a few rows, all its splits alike."""
    made = TokenSet(
        dataset="made", digest="0", problem="sentiment", tokenizer="words", snapshot="0", rows={}, sizes={}, limit=0,
        test_split="0", settings={},
    )  # fmt: skip
    made.folder.mkdir(parents=True)
    streams = {split: Stream(lambda: iter([ROWS])) for split in ("train", "validation", "test")}
    encoder, _ = write_token_set(made.folder, streams, "words", TokenSettings(min_frequency=1, lowercase=False))
    assert sizes_of(encoder)["source"] == 8
    return made


def written(path: Path, text: str = "lumo 1 2\ngrak 3 4\nvek 5 6\n") -> str:
    path.write_text(text)
    return str(path)


def test_word_vectors_stand_at_the_ids_of_their_words(tokens: TokenSet, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="tasks.train"):
        found = word_vectors(tokens, TrainSettings(word_vectors=written(tmp_path / "v.txt")))
    assert found is not None
    table, is_known = found
    assert sorted(map(tuple, table[is_known].tolist())) == [(1.0, 2.0), (3.0, 4.0)]
    assert int(np.argmax(is_known)) == tokens.examples("train").source.row(0)[0]
    assert "2 of 4 words (50.0%): 1 as they are, 1 in small letters" in caplog.text


def test_without_a_file_there_are_no_word_vectors(tokens: TokenSet) -> None:
    assert word_vectors(tokens, TrainSettings()) is None


def test_word_vectors_are_named_by_their_content_wherever_they_lie(tmp_path: Path) -> None:
    one, other = written(tmp_path / "one.txt"), written(tmp_path / "other.txt")
    assert identified(TrainSettings(word_vectors=one)) == identified(TrainSettings(word_vectors=other))
    changed = written(tmp_path / "other.txt", "lumo 1 3\n")
    assert identified(TrainSettings(word_vectors=one)) != identified(TrainSettings(word_vectors=changed))
    assert identified(TrainSettings(word_vectors=one)) != identified(TrainSettings())


def test_a_file_of_word_vectors_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RowError, match=r"word vectors cannot be read from .*none\.txt"):
        identified(TrainSettings(word_vectors=str(tmp_path / "none.txt")))


def test_each_problem_has_a_digest_of_its_own_code() -> None:
    digests = {training_code(find_problem(name)) for name in problem_names()}
    assert len(digests) == len(problem_names())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"clip_norm": 2.5}, "norm 2.5"),
        ({"clipping": "value"}, "value 1"),
        ({"clipping": "adaptive"}, "percentile 10 of the norms so far"),
        ({"clipping": "none"}, "nothing"),
    ],
)
def test_a_figure_shows_what_was_allowed_for_every_way_to_clip(changes: dict[str, object], words: str) -> None:
    settings = TrainSettings().with_changes(changes)
    allowed = settings.clip_norm if settings.clipping == "norm" else float("inf")
    steps = [Step(1, number, 1.0, 3.0, number == 0, 0.1, 9.0, allowed) for number in range(4)]
    figure = training_figure(History(steps=steps, epochs=[Epoch(1, 3, 1.0, 1.0, 0.25, 1.0)]), settings)
    labels = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert labels == [f"clipped by {clipping_words(settings)}: 25% of steps"]
    assert words in labels[0]

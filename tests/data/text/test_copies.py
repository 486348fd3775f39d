"""Unknown words of a model's text are copied from the source."""

import pyarrow as pa
import pytest

from data.text.encoder import Encoder, Tokenizer, TokenSettings, default_settings
from data.text.settings import UNK_ID

TEXTS = ["lumo sela nuri", "sela dosh vek", "nuri lumo", "dosh sela lumo vek"] * 3
PAIRS = pa.table({"source": TEXTS, "target": TEXTS})
SETTINGS = TokenSettings(min_frequency=2, lowercase=True)
SOURCE = "lumo  Zürich, vek"
# Of each kind, the source tokens that are unknown: a word, the letters that no training row has.
COPIED = {"words": "Zürich", "bpe": "Z", "unigram": "Z", "wordpiece": "Zürich,", "characters": "Z"}


def position_of(encoder, text):
    """The index of the source token at which a text begins."""
    spans = encoder.source.encode_with_offsets([SOURCE])[2]
    return next(
        i
        for i, (start, stop) in enumerate(spans.tolist())
        if stop > start and SOURCE[start:].startswith(text)
    )


def built(kind):
    settings = SETTINGS if kind in COPIED else default_settings(kind)
    return Encoder.build(kind, PAIRS, settings)


@pytest.mark.parametrize("kind", COPIED)
def test_copied_unknown_word_is_replaced_by_its_source_token(kind):
    encoder = built(kind)
    before, after = (encoder.target.encode([text])[0].tolist() for text in ("sela", "lumo"))
    copied = [-1] * len(before) + [position_of(encoder, COPIED[kind])] + [-1] * len(after)
    message = encoder.decode([*before, UNK_ID, *after], copied=copied, source=SOURCE)
    start = SOURCE.index("Z")
    _, _, spans = encoder.source.encode_with_offsets([SOURCE])
    piece = SOURCE[slice(*spans[position_of(encoder, COPIED[kind])])]
    assert piece
    assert SOURCE[start:].startswith(piece)
    assert message.replace(" ", "") == f"sela{piece}lumo"


@pytest.mark.parametrize("kind", ["words", "wordpiece"])
def test_copied_word_is_separated_by_spaces(kind):
    encoder = built(kind)
    sela = encoder.target.encode(["sela"])[0].tolist()
    message = encoder.decode(
        [*sela, UNK_ID, *sela], copied=[-1, position_of(encoder, "Zürich"), -1], source=SOURCE
    )
    assert message == f"sela {COPIED[kind]} sela"


@pytest.mark.parametrize("kind", COPIED)
def test_text_without_copies_is_decoded_as_before(kind):
    encoder = built(kind)
    ids = encoder.target.encode(["dosh vek lumo"])[0].tolist()
    assert (
        encoder.decode(ids, copied=[], source=SOURCE)
        == encoder.decode(ids)
        == encoder.target.decode(ids)
    )


def test_two_copies_are_inserted_in_order():
    encoder = built("words")
    positions = [position_of(encoder, "Zürich"), position_of(encoder, "lumo")]
    assert encoder.decode([UNK_ID, UNK_ID], copied=positions, source=SOURCE) == "Zürich lumo"


def test_copies_work_with_a_tokenizer_file_of_the_user(tmp_path):
    own = tmp_path / "own.json"
    Tokenizer.train("words", [PAIRS["source"]], SETTINGS).inner.save(str(own))
    encoder = built(str(own))
    sela = encoder.target.encode(["sela"])[0].tolist()
    message = encoder.decode(
        [*sela, UNK_ID], copied=[-1, position_of(encoder, "Zürich")], source=SOURCE
    )
    assert message == "sela Zürich"

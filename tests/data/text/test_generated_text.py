"""Texts of a generator: alone or with a start label."""

import unicodedata
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.text.encoder import Encoder
from data.text.settings import DEFAULTS, KINDS, default_settings
from data.text.write_ids import write_ids

TUNES = ["X:1\nK:G\nGA>B <c|\n\nd2|]", "X:2\nK:D\nA<B&amp; C\té|", "X:3\nK:A\nc2 d2|"]
ALONE = pa.table({"text": TUNES})
LABELLED = pa.table({"label": ["C", "6/8", None], "text": TUNES})
GENERATED = default_settings("characters", is_generated=True)


def rows_of(encoded: tuple[pa.Array, pa.Array]) -> list[list[int]]:
    ids, offsets = encoded
    return [ids[a:b].tolist() for a, b in pairwise(offsets)]


def test_text_without_label_has_no_source_and_is_decoded_unchanged() -> None:
    encoder = Encoder.build("characters", ALONE, GENERATED)
    source, target = (rows_of(side) for side in encoder.encode(ALONE))
    assert source == [[], [], []]
    assert [encoder.decode(row) for row in target] == TUNES
    assert (encoder.source_size, encoder.target_size, encoder.roles) == (
        0,
        encoder.source.size,
        ("text",),
    )


def test_label_is_the_source_of_a_text_and_unknown_is_minus_one() -> None:
    encoder = Encoder.build("characters", LABELLED.slice(0, 2), GENERATED)
    source, target = (rows_of(side) for side in encoder.encode(LABELLED))
    assert source == [[1], [0], [-1]]  # sorted: 6/8 is 0, C is 1
    assert [encoder.decode(row) for row in target][:2] == TUNES[:2]
    assert (encoder.source_size, encoder.roles) == (2, ("label", "text"))


@pytest.mark.parametrize("table", [ALONE, LABELLED.slice(0, 2)])
def test_encoder_is_loaded_as_saved(table: pa.Table, tmp_path: Path) -> None:
    encoder = Encoder.build("characters", table, GENERATED)
    encoder.save(tmp_path)
    again = Encoder.load(tmp_path)
    assert [rows_of(side) for side in again.encode(table)] == [
        rows_of(side) for side in encoder.encode(table)
    ]
    assert (again.roles, again.source_size, again.target_size) == (
        encoder.roles,
        encoder.source_size,
        encoder.target_size,
    )
    assert again.target is again.source


@given(
    st.lists(
        st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.just("\n"), min_size=1),
        min_size=1,
        max_size=5,
    )
)
def test_composed_characters_are_decoded_unchanged(texts: list[str]) -> None:
    rows = [unicodedata.normalize("NFC", text) for text in texts]
    encoder = Encoder.build("characters", pa.table({"text": rows}), GENERATED)
    assert [
        encoder.decode(row) for row in rows_of(encoder.encode_target(pa.chunked_array([rows])))
    ] == rows


@pytest.mark.parametrize("kind", KINDS)
def test_generated_text_keeps_letters_and_length(kind: str) -> None:
    message = default_settings(kind, is_generated=True)
    assert (message.unicode, message.html, message.lowercase) == ("NFC", "keep", False)
    assert message.max_length > 1_000_000
    assert message.vocabulary_size == DEFAULTS[kind].vocabulary_size
    assert default_settings(kind) == DEFAULTS[kind]


def test_tokenizer_file_of_the_user_encodes_running_text() -> None:
    assert default_settings("own.json", is_generated=True).max_length > 1_000_000


def test_long_training_texts_are_truncated_only_when_set(tmp_path: Path) -> None:
    encoder = Encoder.build("characters", LABELLED.slice(0, 2), GENERATED)
    found = []
    for longest in (GENERATED.max_length, 5):
        write_ids(tmp_path, "train", [LABELLED], encoder, replace(GENERATED, max_length=longest))
        found.append(np.diff(np.load(tmp_path / "train.target.offsets.npy")).tolist())
    assert found == [[len(tune) for tune in TUNES], [5, 5, 5]]


def test_validation_text_with_an_unknown_label_is_kept(tmp_path: Path) -> None:
    encoder = Encoder.build("characters", LABELLED.slice(0, 2), GENERATED)
    assert write_ids(tmp_path, "validation", [LABELLED], encoder, GENERATED) == 3

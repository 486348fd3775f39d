"""Words and their characters: of a token set, and of raw texts in a request."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.text.char_vocabulary import MAX_CHARACTERS, Characters, distinct_words
from data.text.encoder import Encoder, TokenSettings
from data.text.settings import SPECIAL, UNK_ID
from data.text.write_ids import write_ids

SETTINGS = TokenSettings(min_frequency=2, max_length=3)
ROWS = [
    ["Lumo", "sela"],
    ["nuri", "Lumo", "sela", "dosh", "nuri"],
    ["nuri"],
    ["sela", "très", "LUMO"],
]
TAGGED = pa.table({"tokens": ROWS, "tags": [["O"] * (len(row) - 1) + ["B-X"] for row in ROWS]})


def rows_of(encoded):
    ids, offsets = encoded
    return [ids[a:b].tolist() for a, b in pairwise(offsets)]


def read(folder: Path, name: str):
    return rows_of(
        (np.load(folder / f"{name}.npy", mmap_mode="r"), np.load(folder / f"{name}.offsets.npy"))
    )


def column(*rows):
    return pa.chunked_array([pa.array([*rows], pa.list_(pa.string()))])


@given(st.lists(st.text(max_size=40), max_size=20))
def test_word_is_spelled_by_the_ids_of_its_characters(words):
    characters = Characters("abcé中😀")
    ids = {character: len(SPECIAL) + i for i, character in enumerate(characters.known)}
    expected = [[ids.get(c, UNK_ID) for c in word[:MAX_CHARACTERS]] or [UNK_ID] for word in words]
    assert rows_of(characters.spell(words)) == expected
    assert characters.size == max(ids.values()) + 1


def test_empty_character_vocabulary_spells_everything_as_unknown():
    assert rows_of(Characters("").spell(["ab", ""])) == [[UNK_ID, UNK_ID], [UNK_ID]]


def test_character_is_known_when_two_distinct_words_have_it():
    assert Characters.of(
        [column(["lumo", "lumo", "q"], ["loq"]), column(["ma"], ["zz"])]
    ).known == "".join(sorted("lomq"))


@given(
    st.lists(
        st.lists(st.sampled_from(["lumo", "sela", "", "nuri"]), max_size=5), min_size=1, max_size=9
    )
)
def test_rows_give_distinct_words_and_an_empty_row_one_empty_word(rows):
    words, numbers = distinct_words(column(*rows))
    assert len(set(words)) == len(words)
    assert [[words[i] for i in row] for row in rows_of(numbers)] == [row or [""] for row in rows]


@pytest.mark.parametrize("size", [1, 2, 100])
@pytest.mark.parametrize("split", ["train", "test"])
def test_words_of_a_split_equal_those_of_its_tokens(split, size, tmp_path):
    encoder = Encoder.build("words", TAGGED, SETTINGS)
    write_ids(
        tmp_path, split, [TAGGED.slice(at, size) for at in range(0, 4, size)], encoder, SETTINGS
    )
    assert encoder.characters is not None
    spelled = read(tmp_path, f"{split}.spellings")
    assert len({tuple(ids) for ids in spelled[:6]}) == len(spelled) == 6  # each distinct word once
    expected = [row[: 3 if split == "train" else None] for row in ROWS]
    assert [len(row) for row in read(tmp_path, f"{split}.source")] == [len(row) for row in expected]
    found = [[spelled[form] for form in row] for row in read(tmp_path, f"{split}.forms")]
    assert found == [rows_of(encoder.characters.spell(row)) for row in expected]


def test_omitted_rows_contribute_no_words(tmp_path):
    encoder = Encoder.build("words", TAGGED, SETTINGS)
    rows = pa.table({"tokens": [["sela"], ["nuri"], ["dosh"]], "tags": [["B-X"], ["B-new"], ["O"]]})
    assert write_ids(tmp_path, "validation", [rows], encoder, SETTINGS) == 2
    forms = read(tmp_path, "validation.forms")
    spelled = read(tmp_path, "validation.spellings")
    assert [spelled[row[0]] for row in forms] == rows_of(encoder.characters.spell(["sela", "dosh"]))


def test_raw_words_are_spelled_like_those_of_a_split(tmp_path):
    Encoder.build("words", TAGGED, SETTINGS).save(tmp_path)
    encoder = Encoder.load(tmp_path)
    texts = [encoder.cut("Lumo très Lumo"), encoder.cut("")]
    numbers, spellings = encoder.spell(texts)
    found = [[rows_of(spellings)[form] for form in row] for row in rows_of(numbers)]
    assert found == [
        rows_of(encoder.characters.spell(row)) for row in (["Lumo", "très", "Lumo"], [""])
    ]
    assert [len(row) for row in found] == [
        len(row) for row in rows_of(encoder.source.encode(texts))
    ]


def test_spelling_keeps_capitals_of_lowercased_words():
    encoder = Encoder.build("words", TAGGED, TokenSettings(min_frequency=1, lowercase=True))
    ids = rows_of(encoder.source.encode([["Lumo", "LUMO"]]))[0]
    assert ids[0] == ids[1]
    spelled = rows_of(encoder.characters.spell(["Lumo", "LUMO"]))
    assert spelled[0] != spelled[1]


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        ("characters", pa.table({"tokens": [["l", "u"], ["m"]], "tags": [["O", "B-X"], ["O"]]})),
        ("words", pa.table({"text": ["lumo", "sela"], "label": ["n", "p"]})),
        ("bpe", pa.table({"source": ["lumo sela"] * 3, "target": ["grak dosh"] * 3})),
    ],
)
def test_spellings_exist_only_for_tagged_words(kind, table, tmp_path):
    encoder = Encoder.build(kind, table, TokenSettings(min_frequency=1))
    assert encoder.characters is None
    assert encoder.spell([["lumo"]]) is None
    write_ids(tmp_path, "train", [table], encoder, TokenSettings())
    assert not list(tmp_path.glob("*.forms.npy"))

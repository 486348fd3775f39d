"""Word vectors from a text file, compared with reading the whole file."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import RowError
from data.text.encoder import Tokenizer
from data.text.settings import SPECIAL, TokenSettings
from data.text.word_vectors import file_digest, file_words, read_vectors

LINES = ["lumo 1 -2 3.5", "sela 0.25 0 1e-3", "KALO 7 8 9", "kalo 4 5 6", "lumo 9 9 9"]


def names(*words: str) -> list[str]:
    return [*SPECIAL, *words]


def written(path: Path, lines: list[str]) -> str:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_word_gets_the_vector_of_its_line_and_others_get_none(tmp_path: Path) -> None:
    found = read_vectors(written(tmp_path / "v.txt", LINES), names("sela", "grak", "lumo"))
    assert found.table.tolist() == pytest.approx(
        np.array([[0] * 3] * 4 + [[0.25, 0, 1e-3], [0] * 3, [1, -2, 3.5]])
    )
    assert found.is_known.tolist() == [False] * 4 + [True, False, True]


def test_exact_match_of_a_word_is_preferred_to_lower_case(tmp_path: Path) -> None:
    found = read_vectors(written(tmp_path / "v.txt", LINES), names("KALO", "Kalo", "kalo", "Sela"))
    assert found.table[4:].tolist() == pytest.approx(
        np.array([[7, 8, 9], [4, 5, 6], [4, 5, 6], [0.25, 0, 1e-3]])
    )


def test_exact_match_is_found_later_in_the_file(tmp_path: Path) -> None:
    found = read_vectors(
        written(tmp_path / "v.txt", ["kalo 1 2", "Kalo 3 4", "kalo 5 6"]), names("Kalo")
    )
    assert found.table[4].tolist() == [3, 4]


def test_coverage_counts_found_words_by_kind_of_match(tmp_path: Path) -> None:
    found = read_vectors(written(tmp_path / "v.txt", LINES), names("lumo", "Sela", "grak", "dosh"))
    assert found.coverage == "2 of 4 words (50.0%): 1 as they are, 1 in small letters"


def test_header_of_word2vec_is_skipped(tmp_path: Path) -> None:
    plain = read_vectors(written(tmp_path / "a.txt", LINES), names("lumo", "sela"))
    counted = read_vectors(written(tmp_path / "b.txt", ["5 3", *LINES]), names("lumo", "sela"))
    assert np.array_equal(plain.table, counted.table)


def test_word_with_spaces_does_not_shift_its_numbers(tmp_path: Path) -> None:
    found = read_vectors(
        written(tmp_path / "v.txt", ["lumo 1 2", ". . sela 3 4", "sela 5 6"]), names("sela")
    )
    assert found.table[4].tolist() == [5, 6]


def test_compressed_file_gives_the_same_vectors(tmp_path: Path) -> None:
    plain = written(tmp_path / "v.txt", LINES)
    (tmp_path / "v.txt.gz").write_bytes(gzip.compress(Path(plain).read_bytes()))
    found = [read_vectors(address, names("lumo")).table for address in (plain, f"{plain}.gz")]
    assert np.array_equal(*found)
    assert file_digest(plain) == file_digest(f"{plain}.gz")


def test_digest_changes_with_the_content(tmp_path: Path) -> None:
    assert file_digest(written(tmp_path / "a", LINES)) != file_digest(
        written(tmp_path / "b", LINES[1:])
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sela 1 2", r"v\.txt, line 3: expected a word and 3 numbers, found 'sela 1 2'"),
        ("", r"v\.txt, line 3: expected a word and 3 numbers, found ''"),
        ("dosh 1 two 3", r"v\.txt, line 3: .*two.*, expected 3 numbers after a word"),
        ("dosh 1 nan 3", r"v\.txt, line 3: expected 3 finite numbers, found '1 nan 3'"),
    ],
)
def test_malformed_line_raises_with_its_number(tmp_path: Path, line: str, message: str) -> None:
    address = written(tmp_path / "v.txt", [*LINES[:2], line, *LINES[2:]])
    with pytest.raises(RowError, match=message):
        read_vectors(address, names("dosh", "lumo"))


def test_file_without_any_of_the_words_raises(tmp_path: Path) -> None:
    with pytest.raises(RowError, match=r"none of the 2 words has a vector there, such as 'vek'"):
        read_vectors(written(tmp_path / "v.txt", LINES), names("grak", "vek"))


def test_empty_file_raises(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_bytes(b"")
    with pytest.raises(RowError, match="none of the 1 words"):
        read_vectors(str(tmp_path / "v.txt"), names("lumo"))


@pytest.mark.parametrize(
    "read", [file_digest, lambda address: read_vectors(address, names("lumo"))]
)
def test_missing_file_raises_with_its_name(tmp_path: Path, read: object) -> None:
    with pytest.raises(RowError, match=r"word vectors cannot be read from .*nothing\.txt"):
        read(str(tmp_path / "nothing.txt"))  # type: ignore[operator]


@pytest.mark.parametrize("head", [[], ["5 3"]])
def test_words_of_a_file_keep_its_order_with_their_spellings(
    tmp_path: Path, head: list[str]
) -> None:
    address = written(tmp_path / "v.txt", [*head, *LINES[:3], ". . ta 1 2 3"])
    assert list(file_words(address)) == [
        "lumo",
        "Lumo",
        "LUMO",
        "sela",
        "Sela",
        "SELA",
        "KALO",
        ". . ta",
        ". . TA",
    ]


def test_unseen_capitalized_word_gets_the_lower_case_vector(tmp_path: Path) -> None:
    address = written(tmp_path / "v.txt", LINES[:2])
    column = pa.chunked_array([[["lumo", "lumo"]]])
    tokenizer = Tokenizer.train("words", [column], TokenSettings(lowercase=False)).with_words(
        file_words(address), 9
    )
    found = read_vectors(address, tokenizer.names)
    assert found.table[tokenizer.encode([["Sela"]])[0]].tolist() == [[0.25, 0, np.float32(1e-3)]]


def test_special_ids_have_no_vector(tmp_path: Path) -> None:
    found = read_vectors(written(tmp_path / "v.txt", ["<unk> 1 2", "lumo 3 4"]), names("lumo"))
    assert not found.is_known[:4].any()


@pytest.mark.parametrize("kind", ["words", "characters", "bpe", "unigram"])
def test_name_of_an_id_encodes_to_that_id(kind: str) -> None:
    column = pa.chunked_array([["lumo sela lumo", "sela lumo nuri", "nuri ta mi"] * 4])
    tokenizer = Tokenizer.train(kind, [column], TokenSettings(min_frequency=1, vocabulary_size=60))
    found = tokenizer.names
    assert len(found) == tokenizer.size
    ids, _ = tokenizer.encode(["lumo"])
    assert "".join(found[i] for i in ids) == "lumo"


words = st.lists(st.text("abAB", min_size=1, max_size=3), min_size=1, max_size=12)


@given(
    in_file=words,
    requested=st.lists(
        st.text("abAB", min_size=1, max_size=3), min_size=1, max_size=12, unique=True
    ),
)
def test_vector_comes_from_the_first_line_of_the_best_match(
    tmp_path_factory: pytest.TempPathFactory, in_file: list[str], requested: list[str]
) -> None:
    address = written(
        tmp_path_factory.mktemp("v") / "v.txt",
        [f"{word} {number} 1" for number, word in enumerate(in_file, 1)],
    )
    expected = [
        next((in_file.index(form) + 1 for form in (word, word.lower()) if form in in_file), 0)
        for word in requested
    ]
    if not any(expected):
        with pytest.raises(RowError):
            read_vectors(address, names(*requested))
        return
    assert read_vectors(address, names(*requested)).table[4:, 0].tolist() == expected

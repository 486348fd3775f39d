import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.formats.tags import SCHEMES, find_broken, to_bio
from tests.data.tag_schemes import from_bio


def laid_out(sentences: list[list[str]]) -> tuple[pa.Array, np.ndarray]:
    tags = pa.array([tag for sentence in sentences for tag in sentence], pa.string())
    return tags, np.cumsum([0, *map(len, sentences)]).astype(np.int32)


def bio(sentences: list[list[str]], scheme: str) -> list[list[str]]:
    tags, offsets = laid_out(sentences)
    return pa.ListArray.from_arrays(pa.array(offsets), to_bio(tags, offsets, scheme)).to_pylist()


def broken(tags: str, scheme: str) -> str | None:
    return find_broken(*laid_out([tags.split()]), scheme).get(0)


@st.composite
def spans(draw: st.DrawFn) -> list[str]:
    """Valid BIO tags of a sentence, as spans of some kind and runs of O."""
    parts = draw(
        st.lists(
            st.tuples(st.sampled_from(["O", "PER", "LOC", "I-S", "é"]), st.integers(1, 4)),
            max_size=6,
        )
    )
    return [
        "O" if kind == "O" else f"{'I' if number else 'B'}-{kind}"
        for kind, length in parts
        for number in range(length)
    ]


@pytest.mark.parametrize("scheme", SCHEMES)
@given(st.lists(spans(), max_size=5))
def test_tags_written_in_any_scheme_give_the_same_bio(
    scheme: str, sentences: list[list[str]]
) -> None:
    written = [from_bio(tags, scheme) for tags in sentences]
    assert bio(written, scheme) == sentences
    assert find_broken(*laid_out(written), scheme) == {}


@pytest.mark.parametrize(
    ("scheme", "tags", "expected"),
    [
        ("BMES", "B-PER M-PER E-PER S-PER O", "B-PER I-PER I-PER B-PER O"),
        ("BMES", "E-S-M S-B", "I-S-M B-B"),
        ("BIOES", "B-PER I-PER E-PER S-PER O", "B-PER I-PER I-PER B-PER O"),
        ("IOB1", "I-PER I-PER O I-PER I-LOC", "B-PER I-PER O B-PER B-LOC"),
        ("IOB1", "I-PER B-PER I-PER", "B-PER B-PER I-PER"),
        ("IOB1", "B-PER I-PER", "B-PER I-PER"),
        ("BIO", "I-PER S-PER PER", "I-PER S-PER PER"),
    ],
)
def test_tags_of_a_scheme_are_converted_to_bio(scheme: str, tags: str, expected: str) -> None:
    assert bio([tags.split()], scheme) == [expected.split()]


@pytest.mark.parametrize(
    ("scheme", "tags", "expected"),
    [
        ("BMES", "O E-PER", "O I-PER"),
        ("BMES", "O M-PER", "O I-PER"),
        ("BIOES", "B-LOC E-PER", "B-LOC I-PER"),
        ("BMES", "I-PER X-PER PER", "I-PER X-PER PER"),
    ],
)  # fmt: skip
def test_invalid_tags_stay_invalid(scheme: str, tags: str, expected: str) -> None:
    assert bio([tags.split()], scheme) == [expected.split()]


@pytest.mark.parametrize(
    ("scheme", "tags", "message"),
    [
        ("BMES", "O E-PER", "token 2: E-PER needs B-PER or M-PER before it"),
        ("BIOES", "I-PER E-PER", "token 1: I-PER needs B-PER or I-PER before it"),
        ("BMES", "S-PER M-PER E-PER", "token 2: M-PER needs B-PER or M-PER before it"),
        ("BMES", "B-PER E-PER M-PER", "token 3: M-PER needs B-PER or M-PER before it"),
        ("BIOES", "B-PER O", "token 1: B-PER is not ended by E-PER"),
        ("BIOES", "O B-PER I-PER", "token 3: I-PER is not ended by E-PER"),
        ("BMES", "B-PER E-LOC", "token 1: B-PER is not ended by E-PER"),
        ("BMES", "B-PER B-PER E-PER", "token 1: B-PER is not ended by E-PER"),
        ("BMES", "B-PER PER E-PER", "token 1: B-PER is not ended by E-PER"),
    ],
)
def test_truncated_span_is_reported_with_tag_and_token(
    scheme: str, tags: str, message: str
) -> None:
    assert broken(tags, scheme) == message


@pytest.mark.parametrize("scheme", ["BIO", "IOB1"])
def test_schemes_without_end_tags_report_no_missing_end(scheme: str) -> None:
    assert broken("I-PER O B-PER", scheme) is None


def test_span_ends_with_its_sentence() -> None:
    found = find_broken(*laid_out([["B-PER"], [], ["E-PER"], ["S-PER"]]), "BMES")
    assert found == {
        0: "token 1: B-PER is not ended by E-PER",
        2: "token 1: E-PER needs B-PER or M-PER before it",
    }
    assert bio([["I-PER"], [], ["I-PER"]], "IOB1") == [["B-PER"], [], ["B-PER"]]


def machine(tags: list[str], inside: str) -> bool:
    """Whether tags are valid, by a state machine: an oracle."""
    is_open = ""
    for letter, kind in ((tag[0], tag[2:]) for tag in tags):
        if (letter in (inside, "E")) != bool(is_open) or (is_open and kind != is_open):
            return False
        is_open = kind if letter in ("B", inside) else ""
    return not is_open


@pytest.mark.parametrize(("scheme", "inside"), [("BMES", "M"), ("BIOES", "I")])
@given(st.data())
def test_invalid_sentences_are_those_that_a_state_machine_rejects(
    scheme: str, inside: str, data: st.DataObject
) -> None:
    tag = st.sampled_from(
        ["O", *(f"{letter}-{kind}" for letter in f"B{inside}ES" for kind in ("X", "Y"))]
    )
    sentences = data.draw(st.lists(st.lists(tag, max_size=5), max_size=4))
    found = find_broken(*laid_out(sentences), scheme)
    assert set(found) == {
        number for number, tags in enumerate(sentences) if not machine(tags, inside)
    }


def test_empty_tags_are_accepted() -> None:
    for scheme in SCHEMES:
        assert bio([[], []], scheme) == [[], []]
        assert from_bio([], scheme) == []

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.text.spans import entities, split_spans, split_text, token_span
from rnn_models.evaluation.metrics import spans as scored_spans

TEXT = st.text(st.characters(codec="utf-8"))
KIND = st.sampled_from(["words", "characters"])


@settings(max_examples=200, deadline=None)
@given(TEXT)
def test_words_are_split_as_by_python(text: str) -> None:
    assert split_text("words", text) == text.split()


@settings(max_examples=200, deadline=None)
@given(TEXT)
def test_character_spans_cover_all_but_the_spaces(text: str) -> None:
    assert split_text("characters", text) == [
        character for character in text if not character.isspace()
    ]


@settings(max_examples=100, deadline=None)
@given(KIND, TEXT)
def test_span_contains_exactly_its_token(kind: str, text: str) -> None:
    assert [text[start:stop] for start, stop in split_spans(kind, text)] == split_text(kind, text)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["O", "B-PER", "I-PER", "O"], [("PER", "Kalo  Bren")]),
        (["B-PER", "B-PER", "I-PER", "I-PER"], [("PER", "in"), ("PER", "Kalo  Bren Ursa")]),
        (["O", "B-PER", "I-LOC", "B-LOC"], [("PER", "Kalo"), ("LOC", "Ursa")]),
        (["I-PER", "I-PER", "O", "B-LOC"], [("LOC", "Ursa")]),
        (["O"] * 4, []),
    ],
)
def test_tags_become_spans_of_the_text(tags: list[str], expected: list[tuple[str, str]]) -> None:
    text = " in Kalo  Bren Ursa"
    found = entities(text, split_spans("words", text), tags)
    assert [(entity["kind"], entity["text"]) for entity in found] == expected
    assert all(text[entity["start"] : entity["stop"]] == entity["text"] for entity in found)


@settings(max_examples=100, deadline=None)
@given(KIND, TEXT, st.data())
def test_entities_equal_those_of_the_metric(kind: str, text: str, data: st.DataObject) -> None:
    spans = split_spans(kind, text)
    tags = data.draw(
        st.lists(
            st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y"]),
            min_size=len(spans),
            max_size=len(spans),
        )
    )
    stops = scored_spans([tags])[0]
    expected = [
        (tags[i][2:], *token_span(spans, i, int(stops[i]))) for i in range(len(tags)) if stops[i]
    ]
    assert [
        (entity["kind"], entity["start"], entity["stop"]) for entity in entities(text, spans, tags)
    ] == expected

"""The score of a tagger on raw text: test tokens are joined to text, and cut as served text is."""

from collections.abc import Sequence

from data.text.spans import Entity, entities
from tasks.serving.packing import pack_model
from tasks.serving.predictor import Predictor
from tasks.store.artifacts import Checkpoint, TokenSet
from tasks.store.temporary import temporary_folder

Places = set[tuple[str, int, int]]  # kind, start and stop of each entity of a text


def raw_text_scores(
    checkpoint: Checkpoint,
    tokens: TokenSet,
    rows: Sequence[Sequence[str]],
    tags: Sequence[Sequence[str]],
) -> dict[str, float]:
    """Score a tagger of words on raw text.

    A tagger of characters reads raw text as it reads rows, so it has no such score.

    Args:
        checkpoint: The model.
        tokens: Its token set.
        rows: Tokens of each row.
        tags: The reference tags.

    Returns:
        Entity F1 in percent, by the name of its metric; nothing where there is no such score.
    """
    with temporary_folder("raw-text") as folder:
        predictor = Predictor(pack_model(checkpoint, tokens, folder))
    cuts = predictor.encoder.cuts
    if cuts is None:
        return {}
    joined = [cuts.together(row) for row in rows]
    references = [
        _places(entities(text, spans, right))
        for (text, spans), right in zip(joined, tags, strict=True)
    ]
    answers = predictor.predict_entities([text for text, _ in joined])
    return {"span_f1": places_f1([_places(found) for _, _, found in answers], references)}


def places_f1(predictions: Sequence[Places], references: Sequence[Places]) -> float:
    """Compute F1 in percent of entities that have the same kind and the same characters."""
    pairs = zip(predictions, references, strict=True)
    hits = sum(len(ours & theirs) for ours, theirs in pairs)
    return 200 * hits / max(1, sum(map(len, predictions)) + sum(map(len, references)))


def _places(found: Sequence[Entity]) -> Places:
    return {(entity["kind"], entity["start"], entity["stop"]) for entity in found}

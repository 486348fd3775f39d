"""How good a tagger is on raw text: test tokens are put together as text is written, and cut again as it will be served."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from data.text.spans import Entity, entities
from tasks.serving.packing import pack_model
from tasks.serving.predictor import Predictor
from tasks.store.artifacts import Checkpoint, TokenSet

Places = set[tuple[str, int, int]]


def raw_text_scores(
    checkpoint: Checkpoint,
    tokens: TokenSet,
    rows: Sequence[Sequence[str]],
    tags: Sequence[Sequence[str]],
) -> dict[str, float]:
    """Score a tagger of words on raw text; a model of anything else, or of characters, reads raw text as it reads rows.

    Args:
        checkpoint: The model.
        tokens: What it was trained on.
        rows: Tokens of each row.
        tags: The tags that are right.

    Returns:
        Entity F1 in percent, under the name of its metric; nothing where there is no such score.
    """
    with TemporaryDirectory(prefix="refrain-raw-text-") as folder:
        predictor = Predictor(pack_model(checkpoint, tokens, Path(folder)))
    cuts = predictor.encoder.cuts
    if cuts is None:
        return {}
    joined = [cuts.together(row) for row in rows]
    true = [
        _places(entities(text, spans, right))
        for (text, spans), right in zip(joined, tags, strict=True)
    ]
    found = [
        _places(said) for _, _, said in predictor.predict_entities([text for text, _ in joined])
    ]
    return {"span_f1": places_f1(found, true)}


def places_f1(found: Sequence[Places], true: Sequence[Places]) -> float:
    """F1 in percent of entities that have the same kind and the same characters."""
    hits = sum(len(ours & theirs) for ours, theirs in zip(found, true, strict=True))
    return 200 * hits / max(1, sum(map(len, found)) + sum(map(len, true)))


def _places(found: Sequence[Entity]) -> Places:
    return {(entity["kind"], entity["start"], entity["stop"]) for entity in found}

"""Output kind ``tags``: one tag for each token, and the entities that the tags make."""

from collections.abc import Mapping, Sequence
from typing import Any

from rnn_models.decoding.predict import decoded_predictions
from rnn_models.output_kind import Input, ListOf, OutputKind, Request, ServedModel, StructOf
from rnn_models.outputs.label import Parameters

ENTITY = {"kind": str, "text": str, "start": int, "stop": int, "confidence": float}


def answer(served: ServedModel, request: Request) -> dict[str, list[Any]]:
    """Give the tags and the entities of each text; one below the threshold is in neither."""
    columns: dict[str, list[Any]] = {"tags": [], "score": [], "entities": []}
    for tags, score, entities in served.predict_entities(request.rows, {"confidences": True}):
        is_kept = [entity["score"] >= request.parameters.threshold for entity in entities]
        columns["tags"].append(without_entities(tags, is_kept))
        columns["score"].append(score)
        columns["entities"].append(
            [
                {name: entity[name if name != "confidence" else "score"] for name in ENTITY}
                for entity, keep in zip(entities, is_kept, strict=True)
                if keep
            ]
        )
    return columns


def without_entities(tags: Sequence[str], is_kept: Sequence[bool]) -> list[str]:
    """Replace the tags of entities that are left out by ``O``; each ``B-`` begins an entity."""
    found: list[str] = []
    entity = -1
    for tag in tags:
        entity += tag.startswith("B-")
        found.append(tag if tag == "O" or is_kept[entity] else "O")
    return found


def render(row: Mapping[str, Any]) -> list[str]:
    """Write the tags, and below them each entity with its confidence and place."""
    found = [
        f"  {each['confidence']:.3f}  {each['kind']}  {each['text']}"
        f"  ({each['start']} to {each['stop']})"
        for each in row["entities"]
    ]
    return [" ".join(row["tags"]), *(found or ["  no entity"])]


def from_ids(ids: Sequence[int], labels: Sequence[str]) -> list[str]:
    """Give the names of tags; -1 is one that training never saw."""
    return [labels[i] if i >= 0 else "" for i in ids]


TAGS = OutputKind(
    column="tags",
    inputs={
        "text": Input(str, is_optional=True),
        "tokens": Input(ListOf(str), is_optional=True),
    },
    columns={"tags": ListOf(str), "score": float, "entities": ListOf(StructOf(ENTITY))},
    parameters=Parameters,
    answer=answer,
    render=render,
    predictions=decoded_predictions,
    has_entities=True,
    from_ids=from_ids,
    shape="tokens in, a tag for each out (many to many, aligned)",
    limit="It finds {names} and nothing else; entities neither overlap nor contain one another.",
    architecture=lambda settings: f"CRF, tags {settings['tag_scheme'].upper()}",
    classes_title="entities",
)

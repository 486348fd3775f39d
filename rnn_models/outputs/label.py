"""Output kind ``label``: one name for each text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rnn_models.decoding.label_probabilities import label_probabilities
from rnn_models.decoding.predict import decoded_predictions
from rnn_models.output_kind import Input, MapOf, OutputKind, Request, ServedModel
from rnn_models.settings import setting


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """The request parameters of a classifier."""

    threshold: float = setting(
        0.0, "Probability that a label or an entity needs to be predicted.", low=0, high=1
    )


def answer(served: ServedModel, request: Request) -> dict[str, list[Any]]:
    """Give the likeliest label, None below the threshold, and the probability of each label."""
    names = served.labels
    table = label_probabilities(served.model, served.examples(request.rows))
    # A request without rows has a table without columns otherwise.
    table = table.reshape(len(request.rows), len(names))
    scores = table.max(1).tolist()
    labels = [
        names[index] if score >= request.parameters.threshold else None
        for index, score in zip(table.argmax(1).tolist(), scores, strict=True)
    ]
    probabilities = [dict(zip(names, row, strict=True)) for row in table.tolist()]
    return {"label": labels, "score": scores, "probabilities": probabilities}


def render(row: Mapping[str, Any]) -> list[str]:
    """Write the label, and below it all labels with their probabilities."""
    ranked = sorted(row["probabilities"].items(), key=lambda item: -item[1])
    lines = [f"  {probability:.3f}  {name}" for name, probability in ranked]
    return [f"{row['label'] or '(none reaches the threshold)'}", *lines]


def from_ids(ids: Sequence[int], labels: Sequence[str]) -> str:
    """Give the name of a label; -1 is one that training never saw."""
    return labels[ids[0]] if ids[0] >= 0 else ""


LABEL = OutputKind(
    column="label",
    inputs={"text": Input(str)},
    columns={"label": str, "score": float, "probabilities": MapOf(float)},
    parameters=Parameters,
    answer=answer,
    render=render,
    predictions=decoded_predictions,
    from_ids=from_ids,
    shape="a text in, one label out (many to one)",
    limit="It gives one of {names} to any text, also to one that is none of them; "
    "`threshold` makes it answer null instead.",
    architecture=lambda settings: f"pooling {settings['pooling'].replace('_', ' and ')}",
    classes_title="label",
)

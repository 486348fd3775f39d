"""Output kind ``text``: another text for each text, with the next best ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rnn_models.decoding.predict import decoded_predictions
from rnn_models.output_kind import (
    Headline,
    Input,
    ListOf,
    OutputKind,
    Request,
    ServedModel,
    StructOf,
)
from rnn_models.settings import setting


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """The request parameters of a decoder with beam search."""

    beam_width: int = setting(
        5, "Hypotheses kept while a text is decoded; 1 is greedy.", low=1, high=100
    )
    num_best: int = setting(
        1, "Texts for each source text, best first; as many as beam_width at most.", low=1, high=100
    )
    length_penalty: float = setting(
        1.0, "Power of the length that divides a hypothesis' score.", low=0, high=10
    )

    def __post_init__(self) -> None:
        if self.num_best > self.beam_width:
            raise ValueError(
                f"num_best must be at most beam_width {self.beam_width}, got {self.num_best}"
            )


def answer(served: ServedModel, request: Request) -> dict[str, list[Any]]:
    """Give the best text for each text, and as many as the request wants, best first."""
    best = served.predict_best(request.rows, vars(request.parameters))
    listed = [[{"target": text, "score": score} for text, score in row] for row in best]
    return {
        "target": [row[0]["target"] for row in listed],
        "score": [row[0]["score"] for row in listed],
        "n_best": listed,
    }


def render(row: Mapping[str, Any]) -> list[str]:
    """Write each text with its score, best first."""
    return [f"{each['score']:.3f}  {each['target']}" for each in row["n_best"]]


def from_ids(ids: Sequence[int], labels: Sequence[str]) -> str:
    """Write ids as words, so that BLEU counts runs of ids."""
    return " ".join(map(str, ids))


def architecture(settings: Mapping[str, Any]) -> str:
    """Describe the decoder in a phrase."""
    return f"decoder with attention ({settings['attention']}), beam of {settings['beam_width']}"


TEXT = OutputKind(
    column="target",
    inputs={"text": Input(str)},
    columns={
        "target": str,
        "score": float,
        "n_best": ListOf(StructOf({"target": str, "score": float})),
    },
    parameters=Parameters,
    answer=answer,
    render=render,
    predictions=decoded_predictions,
    from_ids=from_ids,
    headline=Headline("bleu_of_pieces", "BLEU of pieces"),
    is_decoded=True,
    shape="a text in, another text out (many to many)",
    limit="It may leave out parts of a text or add to it, "
    "and no score of a single text shows that.",
    architecture=architecture,
    long_rows="left out",
)

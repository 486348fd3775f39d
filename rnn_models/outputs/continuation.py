"""Output kind ``continuation``: the rest of a text, drawn by a language model from its beginning.

Such a model is scored by the negative log-likelihood of the test texts, not by what it draws.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnn_models.batching.batch import Examples
from rnn_models.output_kind import (
    Headline,
    Input,
    OutputKind,
    Predictions,
    Request,
    ServedModel,
)
from rnn_models.settings import setting

SAMPLING = ("temperature", "top_k", "top_p", "sample_length", "seed")
# Tokens that a text of the parity check is continued with; a whole text may take a thousand.
PARITY_LENGTH = 64
TokenNats = Callable[[Any, Examples], list[NDArray[np.float32]]]


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """The request parameters of a language model."""

    temperature: float = setting(
        1.0, "Divides logits before an id is drawn; 0 takes the likeliest.", low=0, high=100
    )
    top_k: int = setting(
        0, "Number of likeliest ids that may be drawn; 0 for all.", low=0, high=1_000_000
    )
    top_p: float = setting(
        1.0, "Least total probability of the ids that may be drawn.", low=0, high=1
    )
    sample_length: int = setting(1000, "Tokens that continue a text, at most.", low=1, high=100_000)
    seed: int = setting(1, "Seed of the draws.", low=0, high=2**63 - 1)
    judge: bool = setting(
        False, "Give the negative log-likelihood of each token instead of a continuation."
    )


def answer(served: ServedModel, request: Request) -> dict[str, list[Any]]:
    """Give the whole text, its score and the continuation; with ``judge``, the costs of tokens."""
    texts = [str(row) for row in request.rows]
    if request.parameters.judge:
        return {"nats": served.token_costs(texts, request.labels)}
    sampling = {name: getattr(request.parameters, name) for name in SAMPLING}
    continuations, scores = served.continuations(texts, request.labels, sampling)
    whole = [text + more for text, more in zip(texts, continuations, strict=True)]
    return {"text": whole, "score": scores, "continuation": continuations}


def render(row: Mapping[str, Any]) -> list[str]:
    """Write the whole text, or the cost of each token."""
    return [row["text"]] if "text" in row else [" ".join(f"{cost:.3f}" for cost in row["nats"])]


def decode_nothing(decoder: Any, costs: Sequence[Any]) -> list[Any]:
    """Keep what a baseline gives: costs of tokens, which stand for no text."""
    return list(costs)


def joined_pairs(
    predictions: list[Any], references: list[Any], *, is_joined: bool
) -> tuple[list[Any], list[Any]]:
    """Make one text of texts that follow one another."""
    if not is_joined:
        return predictions, references
    return [np.concatenate(predictions)], ["\n".join(references)]


def from_ids(ids: Sequence[int], labels: Sequence[str]) -> str:
    """Write ids as words."""
    return " ".join(map(str, ids))


def continuation_kind(token_nats: TokenNats) -> OutputKind:
    """Make the output kind of a language model.

    Args:
        token_nats: Gives the negative log-likelihood in nats of each token of each text, its end
            included.
    """

    def predictions(problem: Any, model: Any, examples: Examples, decode: Any) -> Predictions:
        costs = token_nats(model, examples)
        return costs, {"score": [math.exp(-float(each.mean())) for each in costs]}

    return OutputKind(
        column="text",
        inputs={"text": Input(str), "label": Input(str, is_optional=True, is_trained=True)},
        columns={"text": str, "score": float, "continuation": str},
        parameters=Parameters,
        answer=answer,
        render=render,
        is_continuation=True,
        predictions=predictions,
        decode_targets=decode_nothing,
        pairs=joined_pairs,
        from_ids=from_ids,
        # Only ids are known after an epoch, so characters cannot be counted.
        headline=Headline("bits_per_token", "bits per token", 3),
        score_of_loss=lambda loss: loss / math.log(2),
        token_nats=token_nats,
        scoring_parameters={"judge": True},
        served_predictions=lambda answers: [np.asarray(costs) for costs in answers["nats"]],
        parity_requests=({"sample_length": PARITY_LENGTH}, {"judge": True}),
        shape="a label or the beginning of a text in, a text out (one to many)",
        limit="It draws texts by chance; nothing checks that they are true, new or harmless. "
        "It may repeat training texts.",
        architecture=lambda settings: "a language model",
    )

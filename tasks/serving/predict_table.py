"""A table of raw rows in, a table of answers out: what a registered model does, and what may be asked of it at each call."""

from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

from rnn_models.settings import check_setting, setting
from tasks.serving.input_texts import MAX_CHARACTERS, text_fault, tokens_fault
from tasks.serving.predictor import SAMPLING, Predictor, Row

MOST_CHARACTERS = 10_000_000
# What a model is asked with where it answers rows of its dataset: these may be longer than what strangers may send.
LONG_TEXTS: dict[str, Any] = {"max_characters": MOST_CHARACTERS}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What may be asked at each call; ``ASKED`` says of which models. A setting's default is the model's own."""

    threshold: float = setting(
        0.0, "Probability that a label or an entity needs, or it is not said.", low=0, high=1
    )
    beam_width: int = setting(
        5, "Hypotheses kept while a text is decoded; 1 is greedy.", low=1, high=100
    )
    num_best: int = setting(
        1, "Texts for each source text, best first; as many as beam_width at most.", low=1, high=100
    )
    length_penalty: float = setting(
        1.0, "Power of the length that divides a hypothesis' score.", low=0, high=10
    )
    temperature: float = setting(
        1.0, "What divides logits before an id is drawn; 0 takes the likeliest.", low=0, high=100
    )
    top_k: int = setting(
        0, "Ids that may be drawn, the likeliest; 0 for all.", low=0, high=1_000_000
    )
    top_p: float = setting(
        1.0, "Probability that the ids that may be drawn have together at least.", low=0, high=1
    )
    sample_length: int = setting(
        1000, "Tokens that a text is gone on with, at most.", low=1, high=100_000
    )
    seed: int = setting(1, "Of what is drawn.", low=0, high=2**63 - 1)
    judge: bool = setting(
        False, "Say what the tokens of each text cost, in nats, in place of going on with it."
    )
    max_characters: int = setting(
        MAX_CHARACTERS, "Characters of the longest text that is read.", low=1, high=MOST_CHARACTERS
    )


DECLARED: dict[str, Field[Any]] = {declared.name: declared for declared in fields(Asked)}
# By the name of what a model says.
ASKED = {
    "label": ("threshold", "max_characters"),
    "tags": ("threshold", "max_characters"),
    "target": ("beam_width", "num_best", "length_penalty", "max_characters"),
    "text": (*SAMPLING, "judge", "max_characters"),
}


def defaults_of(target: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What may be asked of a model, with what it does if nothing is asked: as its settings say."""
    return {name: settings.get(name, DECLARED[name].default) for name in ASKED[target]}


def checked(target: str, defaults: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """All that a model goes by at a call; a default is never refused.

    Raises:
        ValueError: If something may not be asked, or not with that value.
    """
    unknown = sorted(set(asked) - set(defaults))
    if unknown:
        raise ValueError(
            f"{unknown[0]} may not be asked of a model that says {target}, only {', '.join(defaults)}"
        )
    for name, value in asked.items():
        if value != defaults[name]:
            check_setting(DECLARED[name], value)
    chosen = {**defaults, **asked}
    if chosen.get("num_best", 1) > chosen.get("beam_width", 1):
        raise ValueError(
            f"num_best must be at most beam_width {chosen['beam_width']}, got {chosen['num_best']}"
        )
    return chosen


def answer(predictor: Predictor, rows: pd.DataFrame, asked: Mapping[str, Any]) -> pd.DataFrame:
    """What a model says of each row, how sure it is from 0 to 1, and more by its kind.

    Args:
        predictor: The model.
        rows: ``text``; of a model that tags also ``tokens`` in its place; of
            one that goes on with texts also ``label``, if it was trained with labels.
        asked: Some of what ``ASKED`` names.

    Returns:
        A row for each. First the column named by the target, then ``score``;
        last ``unfamiliar``, true where most of a row is unknown to the model.

    Raises:
        ValueError: If a row or what is asked is not as it must be.
    """
    target = predictor.target
    settings = getattr(predictor.model, "settings", None)
    defaults = defaults_of(target, vars(settings) if settings else {})
    chosen = checked(target, defaults, asked)
    if target == "tags":
        given = token_rows_of(rows, max_characters=chosen["max_characters"])
        return with_unfamiliar(tagged(predictor, given, chosen), predictor, given)
    texts = texts_of(rows, max_characters=chosen["max_characters"], may_be_empty=target == "text")
    if target == "text":
        table = gone_on(
            predictor, texts, rows["label"].tolist() if "label" in rows else None, chosen
        )
    else:
        table = {"label": labelled, "target": translated}[target](predictor, texts, chosen)
    return with_unfamiliar(table, predictor, texts)


def with_unfamiliar(table: pd.DataFrame, predictor: Predictor, rows: Sequence[Row]) -> pd.DataFrame:
    """Add the column that says whether most of a row is unknown to the model."""
    return table.assign(unfamiliar=np.array(predictor.unfamiliar(rows), dtype=bool))


def labelled(predictor: Predictor, texts: Sequence[str], asked: Mapping[str, Any]) -> pd.DataFrame:
    """The likeliest label of each text, None where it is below the threshold, and how likely each label is."""
    names = predictor.encoder.labels
    table = predictor.probabilities(texts).reshape(len(texts), len(names))
    places, scores = table.argmax(1).tolist(), table.max(1).tolist()
    said = [
        names[place] if score >= asked["threshold"] else None
        for place, score in zip(places, scores, strict=True)
    ]
    shares = [dict(zip(names, row, strict=True)) for row in table.tolist()]
    labels = pd.Series(
        said, dtype=object
    )  # a column of strings would make nan of None, which is no JSON
    return pd.DataFrame({"label": labels, "score": scores, "probabilities": shares})


def tagged(predictor: Predictor, rows: Sequence[Row], asked: Mapping[str, Any]) -> pd.DataFrame:
    """The tags of each text, and its entities; one below the threshold is in neither."""
    columns: dict[str, list[Any]] = {"tags": [], "score": [], "entities": []}
    for tags, score, entities in predictor.predict_entities(rows, {"confidences": True}):
        is_said = [entity["score"] >= asked["threshold"] for entity in entities]
        columns["tags"].append(without(tags, is_said))
        columns["score"].append(score)
        columns["entities"].append(
            [
                {
                    "kind": e["kind"],
                    "text": e["text"],
                    "start": e["start"],
                    "stop": e["stop"],
                    "confidence": e["score"],
                }
                for e, is_kept in zip(entities, is_said, strict=True)
                if is_kept
            ]
        )
    return pd.DataFrame(columns)


def without(tags: Sequence[str], is_said: Sequence[bool]) -> list[str]:
    """Tags with ``O`` in place of the entities that are not said, of which the first is the first ``B-``."""
    found, place = [], -1
    for tag in tags:
        place += tag.startswith("B-")
        found.append(tag if tag == "O" or is_said[place] else "O")
    return found


def translated(
    predictor: Predictor, texts: Sequence[str], asked: Mapping[str, Any]
) -> pd.DataFrame:
    """The best translation of each text, and as many as were asked for, best first."""
    decoding = {name: asked[name] for name in ("beam_width", "num_best", "length_penalty")}
    best = predictor.predict_best(texts, decoding)
    listed = [[{"target": text, "score": score} for text, score in row] for row in best]
    first = [row[0] for row in best]
    return pd.DataFrame(
        {
            "target": [text for text, _ in first],
            "score": [score for _, score in first],
            "n_best": listed,
        }
    )


def gone_on(
    predictor: Predictor,
    texts: Sequence[str],
    labels: Sequence[Any] | None,
    asked: Mapping[str, Any],
) -> pd.DataFrame:
    """The whole of each text, its score and what follows its beginning; or what its tokens cost, if that was asked."""
    if asked["judge"]:
        return pd.DataFrame({"nats": predictor.judge(texts, labels)})
    drawn = {name: asked[name] for name in SAMPLING}
    said, scores = predictor.continuations(texts, labels, drawn)
    whole = [text + more for text, more in zip(texts, said, strict=True)]
    return pd.DataFrame({"text": whole, "score": scores, "continuation": said})


def texts_of(
    rows: pd.DataFrame, *, max_characters: int = MAX_CHARACTERS, may_be_empty: bool = False
) -> list[str]:
    """The raw texts of rows.

    Raises:
        ValueError: If there is no such column, or a row has no text that is read.
    """
    if "text" not in rows:
        raise ValueError(
            f"rows must have a column text, got {', '.join(map(str, rows.columns)) or 'none'}"
        )
    texts: list[str] = rows["text"].tolist()
    for number, text in enumerate(texts, 1):
        _check(
            text_fault(text, may_be_empty=may_be_empty, max_characters=max_characters),
            f"row {number}, text",
        )
    return texts


def token_rows_of(rows: pd.DataFrame, *, max_characters: int = MAX_CHARACTERS) -> list[Row]:
    """The tokens of rows where they have some, else their raw texts.

    Raises:
        ValueError: If there is neither column, or a row has neither.
    """
    if "tokens" not in rows:
        if "text" not in rows:
            raise ValueError(
                f"rows must have a column text or tokens, got {', '.join(map(str, rows.columns)) or 'none'}"
            )
        # Where a column may hold lists, MLflow makes one row of a body that names columns (``inputs``).
        is_one = len(rows) == 1 and isinstance(rows["text"].iloc[0], np.ndarray)
        return [*texts_of(rows.explode("text") if is_one else rows, max_characters=max_characters)]
    found: list[Row] = []
    texts = rows["text"].tolist() if "text" in rows else [None] * len(rows)
    for number, (tokens, text) in enumerate(zip(rows["tokens"].tolist(), texts, strict=True), 1):
        if isinstance(tokens, str) or not hasattr(tokens, "__iter__"):
            _check(
                text_fault(text, may_be_empty=False, max_characters=max_characters),
                f"row {number}, text (it has no tokens)",
            )
            found.append(text)
        else:
            found.append([*tokens])
            fault = tokens_fault(found[-1], max_characters=max_characters)
            if fault:
                raise ValueError(f"row {number}, {fault[1]}")
    return found


def _check(fault: tuple[str, str] | None, place: str) -> None:
    if fault:
        raise ValueError(f"{place}: {fault[1]}")

"""A table of raw rows in, a table of answers out: one request to a registered model."""

from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

from rnn_models.output_kind import OutputKind, Request, Row
from rnn_models.settings import check_setting, setting
from tasks.serving.input_texts import MAX_CHARACTERS, text_fault, tokens_fault
from tasks.serving.predictor import Predictor

MOST_CHARACTERS = 10_000_000
# For rows of the model's own dataset, which may be longer than the texts of strangers.
LONG_TEXTS: dict[str, Any] = {"max_characters": MOST_CHARACTERS}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The request parameters of every model."""

    max_characters: int = setting(
        MAX_CHARACTERS, "Characters of the longest text that is read.", low=1, high=MOST_CHARACTERS
    )


def declared_parameters(kind: OutputKind) -> dict[str, Field[Any]]:
    """List the request parameters of an output kind by their names."""
    declared = (*fields(kind.parameters), *fields(Limits))
    return {parameter.name: parameter for parameter in declared}


def defaults_of(kind: OutputKind, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give the defaults of the request parameters: the settings of the model, where it has them."""
    declared = declared_parameters(kind)
    return {name: settings.get(name, parameter.default) for name, parameter in declared.items()}


def checked(
    kind: OutputKind, defaults: Mapping[str, Any], given: Mapping[str, Any]
) -> tuple[Any, int]:
    """Check the parameters of a request; a default is never rejected.

    Returns:
        The parameters of the output kind, and the characters of the longest text.

    Raises:
        ValueError: If there is no such parameter, or it cannot have that value.
    """
    unknown = sorted(set(given) - set(defaults))
    if unknown:
        raise ValueError(
            f"a model that predicts {kind.column} has no parameter {unknown[0]}, "
            f"only {', '.join(defaults)}"
        )
    declared = declared_parameters(kind)
    for name, value in given.items():
        if value != defaults[name]:
            check_setting(declared[name], value)
    chosen = {**defaults, **given}
    max_characters: int = chosen.pop("max_characters")
    return kind.parameters(**chosen), max_characters


def answer(predictor: Predictor, rows: pd.DataFrame, given: Mapping[str, Any]) -> pd.DataFrame:
    """Answer a request.

    Args:
        predictor: The model.
        rows: The columns of the kind's ``inputs``.
        given: Some of the request parameters.

    Returns:
        A row for each, with the kind's columns; last ``unfamiliar``, true
        where most of a row is unknown to the model.

    Raises:
        ValueError: If a row or a parameter is wrong.
    """
    kind = predictor.kind
    settings = getattr(predictor.model, "settings", None)
    defaults = defaults_of(kind, vars(settings) if settings else {})
    parameters, max_characters = checked(kind, defaults, given)
    inputs = inputs_of(kind, rows, max_characters=max_characters)
    has_labels = "label" in kind.inputs and "label" in rows
    labels = rows["label"].tolist() if has_labels else None
    with predictor.limit.held():
        columns = kind.answer(predictor, Request(inputs, labels, parameters))
    # A column of strings would make nan of None, which is no JSON.
    table = pd.DataFrame(
        {
            name: pd.Series(values, dtype=object) if kind.columns.get(name) is str else values
            for name, values in columns.items()
        }
    )
    return table.assign(unfamiliar=np.array(predictor.unfamiliar(inputs), dtype=bool))


def inputs_of(kind: OutputKind, rows: pd.DataFrame, *, max_characters: int) -> Sequence[Row]:
    """Read the tokens of rows where the kind takes some, else their raw texts.

    Raises:
        ValueError: If a row has nothing that is read.
    """
    if "tokens" in kind.inputs:
        return token_rows_of(rows, max_characters=max_characters)
    return texts_of(rows, max_characters=max_characters, may_be_empty=kind.is_continuation)


def texts_of(
    rows: pd.DataFrame, *, max_characters: int = MAX_CHARACTERS, may_be_empty: bool = False
) -> list[str]:
    """Read the raw texts of rows.

    Raises:
        ValueError: If there is no such column, or a row has no text that can be read.
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
    """Read the tokens of rows where they have some, else their raw texts.

    Raises:
        ValueError: If there is neither column, or a row has neither.
    """
    if "tokens" not in rows:
        if "text" not in rows:
            raise ValueError(
                "rows must have a column text or tokens, "
                f"got {', '.join(map(str, rows.columns)) or 'none'}"
            )
        # Where a column may hold lists, MLflow makes one row of a body with ``inputs``.
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

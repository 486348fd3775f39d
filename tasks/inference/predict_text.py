"""One text for a registered model, as ``refrain predict`` sends it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from data.formats.abc_notation import write_midi
from tasks.registry.registered_model import Loaded, find_model, plain


@dataclass(frozen=True)
class Answer:
    """The answer to one text: its columns with model and version, and lines for a person."""

    values: dict[str, Any]
    lines: list[str]


def predict_text(
    model: str,
    text: str,
    parameters: Mapping[str, Any],
    *,
    label: str | None = None,
    midi: Path | None = None,
) -> Answer:
    """Let a registered model answer one text.

    Args:
        model: As ``find_model`` reads it.
        text: The text; for a model that continues texts a beginning, which may be empty.
        parameters: Of the request; None stands for the default.
        label: What a continued text starts from.
        midi: Where to write the text as a tune.

    Raises:
        ValueError: If there is no such model, or it does not take this.
    """
    loaded = Loaded.of(*find_model(model))
    kind = loaded.kind
    if not kind.is_continuation:
        for name, given in (("--label", label), ("--midi", midi)):
            if given is not None:
                raise ValueError(
                    f"{name} is for a model that continues texts, {loaded.name} does not"
                )
    labels = {"label": [label]} if label is not None else {}
    rows = pd.DataFrame({"text": [text], **labels}, dtype=object)
    chosen = {name: value for name, value in parameters.items() if value is not None}
    table = loaded.predict(rows, chosen)
    columns = {name: plain(table[name].iloc[0]) for name in table}
    if midi is not None:
        write_midi(columns["text"], midi)
    values = {"model": loaded.name, "version": loaded.number, **columns}
    return Answer(values, kind.render(columns))

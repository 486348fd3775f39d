"""One text for a registered model, as ``refrain predict`` asks it; a tune may be written as MIDI."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from data.formats.abc_notation import write_midi
from tasks.registry.registered_model import Loaded, find_model, plain


def ask(
    model: str,
    text: str,
    asked: Mapping[str, Any],
    *,
    label: str | None = None,
    midi: Path | None = None,
) -> dict[str, Any]:
    """What a model says of one text.

    Args:
        model: As ``find_model`` reads it.
        text: The text; of a model that goes on with texts a beginning, which may be empty.
        asked: What is asked of it; what is None is not.
        label: What a text that begins is to be.
        midi: Where to write what is said as a tune.

    Raises:
        ValueError: If there is no such model, or it does not take this.
    """
    loaded = Loaded.of(*find_model(model))
    is_beginning = "judge" in loaded.defaults
    if not is_beginning:
        for name, given in (("--label", label), ("--midi", midi)):
            if given is not None:
                raise ValueError(
                    f"{name} is for a model that goes on with texts, {loaded.name} does not"
                )
    rows = pd.DataFrame(
        {"text": [text], **({"label": [label]} if label is not None else {})}, dtype=object
    )
    said = loaded.predict(rows, {name: value for name, value in asked.items() if value is not None})
    found = {
        "model": loaded.name,
        "version": loaded.number,
        **{name: plain(said[name].iloc[0]) for name in said},
    }
    if midi is not None:
        write_midi(found["text"], midi)
    return found

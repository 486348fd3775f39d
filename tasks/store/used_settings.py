"""The training settings that a problem's code reads, found in its syntax trees."""

from dataclasses import fields
from functools import cache
from pathlib import Path

from rnn_models.settings import TrainSettings
from tasks.store.code import attributes_of, needed_modules, training_modules
from tasks.store.installation import source_text

NAMES = frozenset({"settings", "s"})  # of an object of TrainSettings, in rnn_models
MADE_OF = {"cell": "encoder"}  # a property, and the setting that it is made of


@cache
def used_settings(problem: str) -> frozenset[str]:
    """Name the settings that a training of a problem, or its model, reads.

    Example:
        >>> used_settings("sentiment") & {"pooling", "beam_width"}
        frozenset({'pooling'})
    """
    modules = needed_modules(map(Path, training_modules(problem)))
    found = {name for path in modules for name in attributes_of(source_text(path), NAMES)}
    found |= {MADE_OF[name] for name in found & MADE_OF.keys()}
    return frozenset(declared.name for declared in fields(TrainSettings)) & found

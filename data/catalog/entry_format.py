"""The ``format`` of a catalog entry: its kind and its options, checked."""

from collections.abc import Mapping, Sequence
from typing import Any

from data.catalog.yaml_entries import Entry
from data.errors import RowError
from data.formats.base import all_formats
from data.formats.encoding_detection import DETECT, check_encoding
from data.sources.base import Source

WHITESPACE = "whitespace"  # the one separator that is not a single character


def read_format(entry: Entry, source: Source) -> dict[str, Any] | None:
    """Read kind and options of a format, with defaults; None where the source gives tables.

    Raises:
        RowError: If the key is missing or superfluous, or an option is wrong.
    """
    if not source.has_format:
        if "format" in entry.content:
            raise RowError(f"{entry.where}, format: this source gives tables and needs none")
        return None
    if "format" not in entry.content:
        raise RowError(f"{entry.where}: key 'format' is missing")
    part = entry.part("format")
    kind = all_formats()[part.choice("kind", all_formats())]
    part.check_keys({"kind"}, set(kind.options))
    for option, default in kind.options.items():
        if option in part.content:
            _check_option(part, option, default, kind.choices)
    return {**kind.options, **part.content}


def _check_option(
    entry: Entry, option: str, default: Any, choices: Mapping[str, Sequence[str]]
) -> None:
    value = entry.content[option]
    if option in choices:
        entry.choice(option, choices[option])
    if type(value) is not type(default):
        raise RowError(f"{entry.where}: {option} must be like {default!r}, got {value!r}")
    if option == "separator" and option not in choices and len(value) != 1 and value != WHITESPACE:
        raise RowError(f"{entry.where}: separator must be one character, got {value!r}")
    if option == "escape" and (len(value) > 1 or value == '"' or not value.isascii()):
        raise RowError(
            f"{entry.where}: escape must be one character such as '\\', or empty, got {value!r}"
        )
    if option == "encoding" and value != DETECT:
        try:
            check_encoding(value)
        except ValueError as error:
            raise RowError(f"{entry.where}: {error}") from error

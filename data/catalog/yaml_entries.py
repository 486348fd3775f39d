"""Catalog files: YAML, read into entries that know their position for error messages."""

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from data.errors import RowError, nearest
from data.sources.secret_references import without_passwords, written_secrets

SHOWN_CHARS = 100


class Entry:
    """A mapping in a catalog, with its position for error messages."""

    def __init__(self, where: str, content: Any) -> None:
        """Check that ``content`` is a mapping.

        Raises:
            RowError: If it is not.
        """
        self.where = where
        self.content = content
        if not isinstance(content, dict):
            raise RowError(f"{where}: expected keys and values, got {shown(content)}")

    def check_keys(self, required: set[str], optional: set[str]) -> None:
        """Reject unknown keys (with the nearest known one) and missing keys."""
        for key in self.content:
            if key not in required | optional:
                raise RowError(
                    f"{self.where}: there is no key {key!r}: {nearest(key, required | optional)}"
                )
        for key in sorted(required - set(self.content)):
            raise RowError(f"{self.where}: key {key!r} is missing")

    def text(self, key: str, *, is_needed: bool = False) -> str:
        """Return the text of a key; empty if an optional key is missing."""
        value = self.content.get(key, "")
        if not isinstance(value, str):
            raise RowError(
                f"{self.where}: {key} must be text, got {shown(value)}{_in_quotes(value)}"
            )
        if is_needed and not value.strip():
            raise RowError(f"{self.where}: {key} must say something, got {value!r}")
        return value

    def texts(self) -> dict[str, str]:
        """Return all values as texts; keys may be whole numbers, as many labels are."""
        for key in self.content:
            if type(key) not in (str, int):
                raise RowError(
                    f"{self.where}: keys must be text, got {shown(key)}{_in_quotes(key)}"
                )
        texts = Entry(self.where, {str(key): value for key, value in self.content.items()})
        return {key: texts.text(key) for key in texts.content}

    def values(self) -> dict[str, Any]:
        """Return all values: texts, numbers, booleans, and mappings of these."""
        for key, value in self.content.items():
            if not isinstance(key, str):
                raise RowError(
                    f"{self.where}: keys must be text, got {shown(key)}{_in_quotes(key)}"
                )
            if isinstance(value, dict):
                self.part(key).values()
            elif not isinstance(value, str | int | float | bool | None):
                raise RowError(
                    f"{self.where}: {key} must be text, a number, true or false, "
                    f"got {type(value).__name__}"
                )
        return dict(self.content)

    def part(self, key: str) -> "Entry":
        """Return the mapping of a key; empty if the key is missing."""
        return Entry(f"{self.where}, {key}", self.content.get(key, {}))

    def choice(self, key: str, choices: Iterable[str]) -> str:
        """Return the text of a key, which must be one of ``choices``."""
        value = self.content.get(key)
        known = list(choices)
        if value is None:
            raise RowError(f"{self.where}: key {key!r} is missing: {nearest('', known)}")
        if not isinstance(value, str) or value not in known:
            raise RowError(
                f"{self.where}: there is no {key} {shown(value)}: {nearest(value, known)}"
            )
        return value


def shown(value: Any) -> str:
    """Write a value for a message: shortened, and without secrets of an address."""
    text = without_passwords(str(value) if isinstance(value, date) else repr(value))
    for secret in written_secrets(value) if isinstance(value, str) else ():
        text = text.replace(secret, "***")
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + " ..."


def _in_quotes(value: Any) -> str:
    """Explain how to write a text that YAML reads as another type."""
    if isinstance(value, bool):
        words = "yes and on" if value else "no and off"
        return f"; YAML reads {words} so: write in quotes what is meant"
    return f'; write it in quotes: "{value}"' if isinstance(value, int | float | date) else ""


class _Loader(yaml.SafeLoader):
    """YAML that rejects a repeated key, of which PyYAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{key.value!r} stands there twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_entries(paths: Sequence[Path]) -> dict[str, tuple[Path, Entry]]:
    """Read catalog files: the file and the entry of each dataset, by name.

    Raises:
        RowError: If a file is missing, not YAML or has no entries, or two
            files have a dataset of the same name.
    """
    found: dict[str, tuple[Path, Entry]] = {}
    for path in paths:
        for name, content in _read_file(path).items():
            if str(name) in found:
                other = found[str(name)][0]
                raise RowError(
                    f"dataset {str(name)!r} stands in two catalogs, {other} and {path}: "
                    "rename one of them"
                )
            found[str(name)] = path, Entry(f"{path}, entry {name}", content)
    return found


def _read_file(path: Path) -> dict[Any, Any]:
    try:
        entries = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise RowError(f"there is no catalog file {path}") from None
    except OSError as error:
        raise RowError(f"the catalog file {path} cannot be read: {error.strerror}") from None
    except yaml.MarkedYAMLError as error:  # without its lines, in which a secret might stand
        mark = error.problem_mark or error.context_mark
        position = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise RowError(f"{path} is not a YAML file{position}: {error.problem}") from None
    # PyYAML raises the others for a value that does not fit its tag.
    except (yaml.YAMLError, ValueError, KeyError, AttributeError, RecursionError) as error:
        message = " ".join(str(error).split())[:SHOWN_CHARS]
        raise RowError(f"{path} is not a YAML file: {message}") from None
    if not isinstance(entries, dict) or not entries:
        raise RowError(f"{path} must map names of datasets to entries, as data/catalog.yaml does")
    return entries

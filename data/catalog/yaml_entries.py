"""Catalog files as they are written: YAML, whose every value knows where it stands."""

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from data.errors import RowError, nearest
from data.sources.secret_references import without_passwords, written_secrets

SHOWN_CHARS = 100


class Entry:
    """A mapping of a catalog and where it stands, for the messages."""

    def __init__(self, where: str, content: Any) -> None:
        """Take a mapping.

        Raises:
            RowError: If it is none.
        """
        self.where, self.content = where, content
        if not isinstance(content, dict):
            raise RowError(f"{where}: expected keys and values, got {shown(content)}")

    def check_keys(self, required: set[str], optional: set[str]) -> None:
        """Refuse keys that are not known (with the nearest) and those that are missing."""
        for key in self.content:
            if key not in required | optional:
                raise RowError(
                    f"{self.where}: there is no key {key!r}: {nearest(key, required | optional)}"
                )
        for key in sorted(required - set(self.content)):
            raise RowError(f"{self.where}: key {key!r} is missing")

    def text(self, key: str, *, is_needed: bool = False) -> str:
        """The text of a key; empty if it is not there and not needed."""
        value = self.content.get(key, "")
        if not isinstance(value, str):
            raise RowError(
                f"{self.where}: {key} must be text, got {shown(value)}{_in_quotes(value)}"
            )
        if is_needed and not value.strip():
            raise RowError(f"{self.where}: {key} must say something, got {value!r}")
        return value

    def texts(self) -> dict[str, str]:
        """All as texts; keys may be whole numbers too, as many labels are."""
        for key in self.content:
            if type(key) not in (str, int):
                raise RowError(
                    f"{self.where}: keys must be text, got {shown(key)}{_in_quotes(key)}"
                )
        texts = Entry(self.where, {str(key): value for key, value in self.content.items()})
        return {key: texts.text(key) for key in texts.content}

    def values(self) -> dict[str, Any]:
        """All as they are: texts, numbers, switches, and mappings of such."""
        for key, value in self.content.items():
            if not isinstance(key, str):
                raise RowError(
                    f"{self.where}: keys must be text, got {shown(key)}{_in_quotes(key)}"
                )
            if isinstance(value, dict):
                self.part(key).values()
            elif not isinstance(value, str | int | float | bool | None):
                raise RowError(
                    f"{self.where}: {key} must be text, a number, true or false, got {type(value).__name__}"
                )
        return dict(self.content)

    def part(self, key: str) -> "Entry":
        """A mapping inside; empty if it is not there."""
        return Entry(f"{self.where}, {key}", self.content.get(key, {}))

    def choice(self, key: str, choices: Iterable[str]) -> str:
        """The text of a key, which must be one of ``choices``."""
        value, known = self.content.get(key), list(choices)
        if value is None:
            raise RowError(f"{self.where}: key {key!r} is missing: {nearest('', known)}")
        if not isinstance(value, str) or value not in known:
            raise RowError(
                f"{self.where}: there is no {key} {shown(value)}: {nearest(value, known)}"
            )
        return value


def shown(value: Any) -> str:
    """A value for a message: short, and without what is secret in an address."""
    said = without_passwords(str(value) if isinstance(value, date) else repr(value))
    for secret in written_secrets(value) if isinstance(value, str) else ():
        said = said.replace(secret, "***")
    return said if len(said) <= SHOWN_CHARS else said[:SHOWN_CHARS] + " ..."


def _in_quotes(value: Any) -> str:
    """How to write as text what YAML takes for something else."""
    if isinstance(value, bool):
        return f"; YAML reads {'yes and on' if value else 'no and off'} so: write in quotes what is meant"
    return f'; write it in quotes: "{value}"' if isinstance(value, int | float | date) else ""


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key that stands twice: the last would win in silence."""

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
    """Read some catalog files: each dataset's name, file and entry.

    Raises:
        RowError: If a file is missing, not YAML or has no entries, or a name
            stands in two of them.
    """
    found: dict[str, tuple[Path, Entry]] = {}
    for path in paths:
        for name, content in _read_file(path).items():
            if str(name) in found:
                other = found[str(name)][0]
                raise RowError(
                    f"dataset {str(name)!r} stands in two catalogs, {other} and {path}: rename one of them"
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
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise RowError(f"{path} is not a YAML file{place}: {error.problem}") from None
    except (
        yaml.YAMLError,
        ValueError,
        KeyError,
        AttributeError,
        RecursionError,
    ) as error:  # of odd values under odd tags
        raise RowError(
            f"{path} is not a YAML file: {' '.join(str(error).split())[:SHOWN_CHARS]}"
        ) from None
    if not isinstance(entries, dict) or not entries:
        raise RowError(f"{path} must map names of datasets to entries, as data/catalog.yaml does")
    return entries

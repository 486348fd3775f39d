"""Catalog files as they are written: YAML, whose every value knows where it stands."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from data.errors import RowError, nearest


class Entry:
    """A mapping of a catalog and where it stands, for the messages."""

    def __init__(self, where: str, content: Any) -> None:
        """Take a mapping.

        Raises:
            RowError: If it is none.
        """
        self.where, self.content = where, content
        if not isinstance(content, dict):
            raise RowError(f"{where}: expected keys and values, got {content!r}")

    def check_keys(self, required: set[str], optional: set[str]) -> None:
        """Refuse keys that are not known (with the nearest) and those that are missing."""
        for key in self.content:
            if key not in required | optional:
                raise RowError(f"{self.where}: there is no key {key!r}: {nearest(key, required | optional)}")
        for key in sorted(required - set(self.content)):
            raise RowError(f"{self.where}: key {key!r} is missing")

    def text(self, key: str) -> str:
        """The text of a key; empty if it is not there."""
        value = self.content.get(key, "")
        if not isinstance(value, str):
            raise RowError(f'{self.where}: {key} must be text, got {value!r}; write it in quotes: "{value}"')
        return value

    def texts(self) -> dict[str, str]:
        """All as texts; keys may be whole numbers too, as many labels are."""
        for key in self.content:
            if type(key) not in (str, int):
                raise RowError(f'{self.where}: keys must be text, got {key!r}; write it in quotes: "{key}"')
        texts = Entry(self.where, {str(key): value for key, value in self.content.items()})
        return {key: texts.text(key) for key in texts.content}

    def part(self, key: str) -> "Entry":
        """A mapping inside; empty if it is not there."""
        return Entry(f"{self.where}, {key}", self.content.get(key, {}))

    def choice(self, key: str, choices: Iterable[str]) -> str:
        """The text of a key, which must be one of ``choices``."""
        value, known = self.content.get(key), list(choices)
        if not isinstance(value, str) or value not in known:
            raise RowError(f"{self.where}: there is no {key} {value!r}: {nearest(value, known)}")
        return value


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key that stands twice: the last would win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge"]
        twice = next((key for i, key in enumerate(keys) if key in keys[:i]), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"{twice!r} stands there twice", node.start_mark)
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
                raise RowError(f"dataset {str(name)!r} stands in two catalogs, {other} and {path}: rename one of them")
            found[str(name)] = path, Entry(f"{path}, entry {name}", content)
    return found


def _read_file(path: Path) -> dict[Any, Any]:
    try:
        entries = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError as error:
        raise RowError(f"there is no catalog file {path}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RowError(f"{path} is not a YAML file: {' '.join(str(error).split())}") from error
    if not isinstance(entries, dict) or not entries:
        raise RowError(f"{path} must map names of datasets to entries, as data/catalog.yaml does")
    return entries

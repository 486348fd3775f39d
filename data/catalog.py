"""The catalog: every dataset's problem, source, columns and owner, read and checked."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import IO, Any, Protocol

import yaml

from data import sources
from data.errors import RowError, nearest
from data.formats import FORMATS
from data.splits import SPLITS

CATALOG = Path(__file__).with_name("catalog.yaml")
TOKENIZER_KINDS = ("words", "characters", "bpe")
# The two sides of a row by what they are called; each pair is a shape of rows.
SHAPES = (("text", "label"), ("tokens", "tags"), ("source", "target"))


class Source(Protocol):
    """Where rows come from: streams of bytes, each for a split or for ``all``."""

    def open(self, folder: Path) -> Iterator[tuple[str, str, IO[bytes]]]:
        """Open what holds rows: split, name and bytes of each; ``folder`` keeps downloads."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One entry of a catalog; ``data/catalog.yaml`` says what each key means."""

    name: str
    about: str = ""
    problem: str
    language: str
    source: Source
    format: Mapping[str, Any]
    columns: Mapping[str, str | int]
    where: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    splits: Mapping[str, float] = field(default_factory=dict)
    tokenizer: str
    licence: str
    origin: str
    entry: Mapping[str, Any] = field(repr=False)

    @property
    def roles(self) -> tuple[str, str]:
        """Names of the two sides of a row, source before target."""
        return next(shape for shape in SHAPES if set(shape) == set(self.columns))


def read_catalog(path: Path = CATALOG) -> dict[str, Dataset]:
    """Read a catalog file.

    Raises:
        RowError: If the file is missing, not YAML, or an entry is not as it
            must be; names file, entry, key and what was expected.
    """
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RowError(f"there is no catalog file {path}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RowError(f"{path} is not a YAML file: {' '.join(str(error).split())}") from error
    if not isinstance(entries, dict) or not entries:
        raise RowError(f"{path} must map names of datasets to entries, as data/catalog.yaml does")
    return {str(name): _dataset(_Entry(f"{path}, entry {name}", entry), str(name)) for name, entry in entries.items()}


def find_dataset(name: str, path: Path = CATALOG) -> Dataset:
    """Find a dataset by its name.

    Raises:
        RowError: If there is none, with the nearest name.
    """
    catalog = read_catalog(path)
    if name not in catalog:
        raise RowError(f"there is no dataset {name!r} in {path}: {nearest(name, catalog)}")
    return catalog[name]


class _Entry:
    """A mapping of the catalog and where it stands, for the messages."""

    def __init__(self, where: str, content: Any) -> None:
        self.where, self.content = where, content
        if not isinstance(content, dict):
            raise RowError(f"{where}: expected keys and values, got {content!r}")

    def check_keys(self, required: set[str], optional: set[str]) -> None:
        for key in self.content:
            if key not in required | optional:
                raise RowError(f"{self.where}: there is no key {key!r}: {nearest(key, required | optional)}")
        for key in sorted(required - set(self.content)):
            raise RowError(f"{self.where}: key {key!r} is missing")

    def text(self, key: str) -> str:
        value = self.content.get(key, "")
        if not isinstance(value, str):
            raise RowError(f'{self.where}: {key} must be text, got {value!r}; write it in quotes: "{value}"')
        return value

    def part(self, key: str) -> "_Entry":
        return _Entry(f"{self.where}, {key}", self.content.get(key, {}))

    def choice(self, key: str, choices: Any) -> str:
        value = self.content.get(key)
        if not isinstance(value, str) or value not in choices:
            raise RowError(f"{self.where}: there is no {key} {value!r}: {nearest(value, choices)}")
        return str(value)


def _dataset(entry: _Entry, name: str) -> Dataset:
    optional = {"about", "where", "labels", "splits"}
    entry.check_keys({f.name for f in fields(Dataset)} - {"name", "entry"} - optional, optional)
    texts = {key: entry.text(key) for key in ("about", "problem", "language", "licence", "origin")}
    read_as = _format(entry.part("format"))
    return Dataset(
        name=name,
        source=_source(entry.part("source")),
        format=read_as,
        columns=_columns(entry.part("columns"), read_as),
        where=_texts(entry.part("where")),
        labels=_texts(entry.part("labels")),
        splits=_shares(entry.part("splits")),
        tokenizer=entry.choice("tokenizer", TOKENIZER_KINDS),
        entry=entry.content,
        **texts,
    )


def _texts(entry: _Entry) -> dict[str, str]:
    """Read a mapping of texts; its keys may be whole numbers too, as many labels are."""
    for key in entry.content:
        if type(key) not in (str, int):
            raise RowError(f'{entry.where}: keys must be text, got {key!r}; write it in quotes: "{key}"')
    texts = _Entry(entry.where, {str(key): value for key, value in entry.content.items()})
    return {key: texts.text(key) for key in texts.content}


def _source(entry: _Entry) -> Source:
    kinds = [module.name for module in pkgutil.iter_modules(sources.__path__)]
    kind = entry.choice("kind", kinds)
    source: type[Any] = importlib.import_module(f"{sources.__name__}.{kind}").SOURCE
    names = {declared.name for declared in fields(source)}
    entry.check_keys(names | {"kind"}, set())
    values: dict[str, Any] = {name: entry.text(name) for name in names - {"members"}}
    if "members" in names:
        members = entry.part("members")
        for split in members.content:
            if split not in (*SPLITS, "all"):
                raise RowError(f"{members.where}: there is no split {split!r}: {nearest(split, (*SPLITS, 'all'))}")
        given = set(members.content)
        if given != {"all"} and ("all" in given or not {"train", "test"} <= given):
            found = ", ".join(members.content) or "none"
            raise RowError(f"{members.where}: expected `all` alone, or `train` and `test`, got {found}")
        values["members"] = {split: members.text(split) for split in members.content}
    made: Source = source(**values)
    return made


def _format(entry: _Entry) -> dict[str, Any]:
    kind = FORMATS[entry.choice("kind", FORMATS)]
    entry.check_keys({"kind"}, set(kind.options))
    for option, choices in kind.choices.items():
        if option in entry.content:
            entry.choice(option, choices)
    for option, default in kind.options.items():
        value = entry.content.get(option, default)
        if type(value) is not type(default):
            raise RowError(f"{entry.where}: {option} must be like {default!r}, got {value!r}")
        if option == "separator" and len(value) != 1:
            raise RowError(f"{entry.where}: separator must be one character, got {value!r}")
    return {**kind.options, **entry.content}


def _columns(entry: _Entry, read_as: Mapping[str, Any]) -> dict[str, str | int]:
    is_tagged = FORMATS[read_as["kind"]].is_tagged
    shapes = [shape for shape in SHAPES if (shape == ("tokens", "tags")) == is_tagged]
    if set(entry.content) not in [set(shape) for shape in shapes]:
        expected = " or ".join(" and ".join(shape) for shape in shapes)
        found = ", ".join(map(str, entry.content)) or "none"
        raise RowError(f"{entry.where}: expected {expected} of a {read_as['kind']} file, got {found}")
    has_names = read_as.get("header", False)
    for role, column in entry.content.items():
        is_name, is_number = has_names and isinstance(column, str), type(column) is int and column >= 0
        if not is_name and not is_number:
            expected = "a name of the header, or a number from 0" if has_names else "a number from 0"
            raise RowError(f"{entry.where}: {role} must be {expected}, got {column!r}")
    return dict(entry.content)


def _shares(entry: _Entry) -> dict[str, float]:
    entry.check_keys(set(), {"validation", "test"})
    for split, share in entry.content.items():
        if not isinstance(share, float) or not 0 < share <= 0.5:
            raise RowError(f"{entry.where}: {split} must be a share above 0 and up to 0.5, got {share!r}")
    total = sum(entry.content.values())
    if total >= 1:
        raise RowError(f"{entry.where}: the shares sum to {total:g}, which leaves no training rows")
    return dict(entry.content)

"""The catalog: every dataset's problem, source, columns and owner, read and checked."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from data.catalog.entry_source import SPLIT_KEYS, absolute_path, read_source
from data.catalog.paired_files import with_sides
from data.catalog.tag_names import TAG
from data.catalog.yaml_entries import Entry, read_entries
from data.errors import RowError, nearest
from data.formats.base import FormatKind, all_formats
from data.formats.encoding import check_encoding
from data.rows.check_settings import SHAPES, CheckSettings, Shape, rules_of
from data.rows.split_column import COLUMN, split_column_of
from data.sources.secret_references import check_address, without_passwords
from data.text.encoder import KINDS
from data.text.invisible_characters import trimmed_name

CATALOG = Path(__file__).resolve().parents[1] / "catalog.yaml"
KEY = "key"
NO_KEYS = {"name", "entry", "file", "split_column"}  # of a Dataset: what is no key of an entry
TEXTS = ("problem", "language", "licence", "origin")
NAME_CHARACTERS = 100  # with a digest behind it, it names files
NAME = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9_.-]*"
)  # a folder, a model of MLflow and a flow run are called by it


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One entry of a catalog; ``data/catalog.yaml`` says what each key means."""

    name: str
    about: str = ""
    problem: str
    language: str
    source: Any
    format: Mapping[str, Any] | None = None
    columns: Mapping[str, str | int]
    where: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    splits: Mapping[str, float] = field(default_factory=dict)
    split_column: str | int = ""
    tokenizer: str
    checks: Mapping[str, Any] = field(default_factory=dict)
    removals: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    licence: str
    origin: str
    entry: Mapping[str, Any] = field(repr=False)
    file: Path = CATALOG

    @property
    def roles(self) -> Shape:
        """Names of the sides of a row, source before target."""
        return next(shape for shape in SHAPES if set(shape) == set(self.columns) - {KEY})

    @property
    def rules(self) -> CheckSettings:
        """What a row must satisfy."""
        return rules_of(self.roles, self.checks)


def read_catalog(*paths: Path) -> dict[str, Dataset]:
    """Read catalog files, ``data/catalog.yaml`` if none is named.

    Raises:
        RowError: If a file is missing or not YAML, a dataset stands in two of
            them, or an entry is not as it must be; names file, entry, key and
            what was expected.
    """
    return {name: _read(name, *found) for name, found in read_entries(paths or (CATALOG,)).items()}


def find_dataset(name: str, *paths: Path) -> Dataset:
    """Find a dataset by its name; a fault in another entry does not matter.

    Raises:
        RowError: If there is none, with the nearest name.
    """
    entries = read_entries(paths or (CATALOG,))
    if name not in entries:
        said = ", ".join(map(str, paths or (CATALOG,)))
        raise RowError(f"there is no dataset {name!r} in {said}: {nearest(name, entries)}")
    return _read(name, *entries[name])


def _read(name: str, file: Path, entry: Entry) -> Dataset:
    """Read an entry; what it holds that looks like a password is not repeated, wherever it stands."""
    try:
        return _dataset(name, file, entry)
    except RowError as error:
        raise RowError(without_passwords(str(error))) from None


def _dataset(name: str, file: Path, entry: Entry) -> Dataset:
    if not NAME.fullmatch(name) or len(name) > NAME_CHARACTERS:
        raise RowError(
            f"{entry.where}: a dataset's name has letters, digits, '_', '-' and '.' only, begins with a letter or digit, "
            f"and has {NAME_CHARACTERS} characters at most, got {name!r}"
        )
    names = {f.name: f.default is MISSING and f.default_factory is MISSING for f in fields(Dataset)}
    known = set(names) - NO_KEYS
    entry.check_keys(
        {n for n in known if names[n] and n != "columns"},
        {n for n in known if not names[n] or n == "columns"},
    )
    source = read_source(entry.part("source"), file.parent)
    read_as = _format(entry, source)
    source = with_sides(entry, source, read_as)
    columns = _columns(entry, source, read_as)
    made = Dataset(
        name=name,
        source=source,
        format=read_as,
        columns=columns,
        where=entry.part("where").texts(),
        labels=_labels(entry.part("labels")),
        splits=_shares(entry.part("splits"), source),
        split_column=split_column_of(entry.part("splits"), source, SPLIT_KEYS),
        tokenizer=_tokenizer(entry, file.parent),
        checks=entry.part("checks").content,
        removals=_removals(entry, file.parent),
        settings=entry.part("settings").content,
        entry=entry.content,
        file=file,
        about=entry.text("about"),
        **{key: entry.text(key, is_needed=True) for key in TEXTS},
    )
    _check_rules(entry, made)
    return made


def _labels(entry: Entry) -> dict[str, str]:
    """The publisher's labels to ours, without spaces and invisible characters at their edges, as those of the rows."""
    found: dict[str, str] = {}
    for label, ours in entry.texts().items():
        name = trimmed_name(label)
        if name in found:
            raise RowError(
                f"{entry.where}: {label!r} is listed twice, apart from spaces or invisible characters at its edges"
            )
        found[name] = trimmed_name(ours)
    return found


def _check_rules(entry: Entry, made: Dataset) -> None:
    part = entry.part("checks")
    part.check_keys(set(), {f.name for f in fields(CheckSettings)})
    try:
        rules_of(made.roles, part.content)
    except ValueError as error:
        raise RowError(f"{part.where}: {error}") from error
    if made.labels and not {"label", "tags"} & set(made.roles):
        raise RowError(
            f"{entry.where}, labels: the rows have {' and '.join(made.roles)}, no label and no tags"
        )
    wrong = [
        name for name, tag in made.labels.items() if "tags" in made.roles and not TAG.fullmatch(tag)
    ]
    if wrong:
        raise RowError(
            f"{entry.where}, labels, {wrong[0]}: a tag is O, B-kind or I-kind, got {made.labels[wrong[0]]!r} (in quotes?)"
        )


def _removals(entry: Entry, folder: Path) -> str:
    text = entry.text("removals")
    try:
        check_address(text)
    except RowError as error:
        raise RowError(f"{entry.where}, removals: {error}") from None
    return absolute_path(text, folder)


def _tokenizer(entry: Entry, folder: Path) -> str:
    value = entry.text("tokenizer")
    if value.endswith(".json"):
        path = absolute_path(value, folder)
        if not Path(path).is_file():
            raise RowError(f"{entry.where}, tokenizer: there is no file {path}")
        return path
    return entry.choice("tokenizer", KINDS)


def _format(entry: Entry, source: Any) -> dict[str, Any] | None:
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
    if (
        option == "separator"
        and option not in choices
        and len(value) != 1
        and value != "whitespace"
    ):
        raise RowError(f"{entry.where}: separator must be one character, got {value!r}")
    if option == "escape" and (len(value) > 1 or value == '"' or not value.isascii()):
        raise RowError(
            f"{entry.where}: escape must be one character such as '\\', or empty, got {value!r}"
        )
    if option == "encoding" and value != "detect":
        try:
            check_encoding(value)
        except ValueError as error:
            raise RowError(f"{entry.where}: {error}") from error


def _columns(entry: Entry, source: Any, read_as: Mapping[str, Any] | None) -> dict[str, str | int]:
    part = entry.part("columns")
    kind = all_formats()[read_as["kind"]] if read_as else None
    if kind and kind.columns == "none":
        own: dict[str, str | int] = {role: place for place, role in enumerate(kind.shapes[0])}
        is_shape = {*own, *part.content} in [set(shape) for shape in SHAPES]
        if part.content and (set(own) & set(part.content) or not is_shape):
            raise RowError(
                f"{part.where}: a {read_as['kind'] if read_as else ''} file has no columns to be named: leave this key out, "
                "but for a label that stands in the path, as the folder stars=pos"
            )
        return own | {role: part.text(role, is_needed=True) for role in part.content}
    shapes = kind.shapes if kind else SHAPES
    if set(part.content) - {KEY} not in [set(shape) for shape in shapes]:
        expected = " or ".join(" and ".join(shape) for shape in shapes)
        of = f" of a {read_as['kind']} file" if read_as else ""
        raise RowError(
            f"{part.where}: expected {expected}{of}, got {', '.join(map(str, part.content)) or 'none'}"
        )
    for role, column in part.content.items():
        _check_column(part, role, column, kind, has_header=bool(read_as and read_as.get("header")))
    named = getattr(source, KEY, "")
    if named and KEY in part.content:
        raise RowError(f"{part.where}: key stands in the source already")
    return {**part.content, **({KEY: named} if named else {})}


def _check_column(
    entry: Entry, role: str, column: Any, kind: FormatKind | None, *, has_header: bool
) -> None:
    way = kind.columns if kind else "names"
    is_name = isinstance(column, str) and (way == "names" or (way == "header" and has_header))
    is_number = type(column) is int and way != "names" and (column >= 0 or way == "numbers")
    if not is_name and not is_number:
        expected = {"names": "a name", "numbers": "a number from 0"}.get(way, "a number from 0")
        if way == "header" and has_header:
            expected = "a name of the header, or a number from 0"
        raise RowError(f"{entry.where}: {role} must be {expected}, got {column!r}")


def _shares(entry: Entry, source: Any) -> dict[str, float]:
    entry.check_keys(set(), {"validation", "test", COLUMN})
    given = [split for name in SPLIT_KEYS for split in getattr(source, name, ())]
    if COLUMN in entry.content and "test" in entry.content:
        raise RowError(
            f"{entry.where}: the column says which rows are test: leave the share of test out"
        )
    shares = {split: share for split, share in entry.content.items() if split != COLUMN}
    for split, share in shares.items():
        if split in given:
            raise RowError(f"{entry.where}: the source gives {split} itself: leave its share out")
        if not isinstance(share, float) or not 0 < share <= 0.5:
            raise RowError(
                f"{entry.where}: {split} must be a share above 0 and up to 0.5, got {share!r}"
            )
    total = sum(shares.values())
    if total >= 1:
        raise RowError(f"{entry.where}: the shares sum to {total:g}, which leaves no training rows")
    return shares

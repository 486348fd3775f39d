"""The catalog: problem, source, columns and owner of every dataset, read and checked."""

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from data.catalog.entry_columns import KEY, read_columns
from data.catalog.entry_format import read_format
from data.catalog.entry_source import SPLIT_KEYS, absolute_path, read_source
from data.catalog.paired_files import with_sides
from data.catalog.tag_names import TAG
from data.catalog.yaml_entries import Entry, read_entries
from data.errors import RowError, nearest
from data.rows.check_settings import SHAPES, CheckSettings, Shape, rules_of
from data.rows.split_column import COLUMN, split_column_of
from data.sources.base import Source
from data.sources.secret_references import check_address, without_passwords
from data.text.encoder import KINDS
from data.text.invisible_characters import trimmed_name

CATALOG = Path(__file__).resolve().parents[1] / "catalog.yaml"
NOT_KEYS = {"name", "entry", "file", "split_column"}  # fields of Dataset that are no keys
TEXT_KEYS = ("problem", "language", "licence", "origin")
NAME_CHARACTERS = 100  # with a digest behind it, the name becomes a file name
# A name becomes a folder, a registered model and a part of a flow run's name.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One entry of a catalog; ``data/catalog.yaml`` explains each key."""

    name: str
    about: str = ""
    problem: str
    language: str
    source: Source
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
        """The rules that each row must satisfy."""
        return rules_of(self.roles, self.checks)


def read_catalog(*paths: Path) -> dict[str, Dataset]:
    """Read catalog files, ``data/catalog.yaml`` by default.

    Raises:
        RowError: If a file is missing or not YAML, two files have a dataset of
            the same name, or an entry is wrong; names file, entry, key and the
            expected value.
    """
    return {name: _read(name, *found) for name, found in read_entries(paths or (CATALOG,)).items()}


def find_dataset(name: str, *paths: Path) -> Dataset:
    """Find a dataset by its name; an error in another entry does not matter.

    Raises:
        RowError: If there is none, with the nearest name.
    """
    entries = read_entries(paths or (CATALOG,))
    if name not in entries:
        searched = ", ".join(map(str, paths or (CATALOG,)))
        raise RowError(f"there is no dataset {name!r} in {searched}: {nearest(name, entries)}")
    return _read(name, *entries[name])


def _read(name: str, file: Path, entry: Entry) -> Dataset:
    """Read an entry; an error message repeats nothing that looks like a password."""
    try:
        return _dataset(name, file, entry)
    except RowError as error:
        raise RowError(without_passwords(str(error))) from None


def _dataset(name: str, file: Path, entry: Entry) -> Dataset:
    _check_name(name, entry)
    _check_keys(entry)
    source = read_source(entry.part("source"), file.parent)
    format_options = read_format(entry, source)
    source = with_sides(entry, source, format_options)
    splits = entry.part("splits")
    dataset = Dataset(
        name=name,
        source=source,
        format=format_options,
        columns=read_columns(entry.part("columns"), source, format_options),
        where=entry.part("where").texts(),
        labels=_labels(entry.part("labels")),
        splits=_shares(splits, source),
        split_column=split_column_of(splits, source, SPLIT_KEYS),
        tokenizer=_tokenizer(entry, file.parent),
        checks=entry.part("checks").content,
        removals=_removals(entry, file.parent),
        settings=entry.part("settings").content,
        entry=entry.content,
        file=file,
        about=entry.text("about"),
        **{key: entry.text(key, is_needed=True) for key in TEXT_KEYS},
    )
    _check_rules(entry, dataset)
    _check_labels(entry, dataset)
    return dataset


def _check_name(name: str, entry: Entry) -> None:
    if not NAME.fullmatch(name) or len(name) > NAME_CHARACTERS:
        raise RowError(
            f"{entry.where}: a dataset's name has letters, digits, '_', '-' and '.' only, "
            f"begins with a letter or digit, and has {NAME_CHARACTERS} characters at most, "
            f"got {name!r}"
        )


def _check_keys(entry: Entry) -> None:
    keys = [key for key in fields(Dataset) if key.name not in NOT_KEYS]
    required = {
        key.name
        for key in keys
        if key.default is MISSING and key.default_factory is MISSING and key.name != "columns"
    }
    entry.check_keys(required, {key.name for key in keys} - required)


def _labels(entry: Entry) -> dict[str, str]:
    """Map the publisher's labels to ours, trimmed at their edges as the labels of rows are."""
    found: dict[str, str] = {}
    for label, ours in entry.texts().items():
        name = trimmed_name(label)
        if name in found:
            raise RowError(
                f"{entry.where}: {label!r} is listed twice, "
                "apart from spaces or invisible characters at its edges"
            )
        found[name] = trimmed_name(ours)
    return found


def _check_rules(entry: Entry, dataset: Dataset) -> None:
    part = entry.part("checks")
    part.check_keys(set(), {rule.name for rule in fields(CheckSettings)})
    try:
        rules_of(dataset.roles, part.content)
    except ValueError as error:
        raise RowError(f"{part.where}: {error}") from error


def _check_labels(entry: Entry, dataset: Dataset) -> None:
    labels = dataset.labels
    roles = dataset.roles
    if labels and not {"label", "tags"} & set(roles):
        found = " and ".join(roles)
        raise RowError(f"{entry.where}, labels: the rows have {found}, no label and no tags")
    if "tags" not in roles:
        return
    for name, tag in labels.items():
        if not TAG.fullmatch(tag):
            raise RowError(
                f"{entry.where}, labels, {name}: "
                f"a tag is O, B-kind or I-kind, got {tag!r} (in quotes?)"
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


def _shares(entry: Entry, source: Source) -> dict[str, float]:
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

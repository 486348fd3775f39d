"""The contract of sources: every module of ``data/sources`` is listed and checked."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from data import sources
from data.catalog.catalog import read_catalog
from data.catalog.entry_source import read_source
from data.catalog.yaml_entries import Entry
from data.sources.base import (
    Access,
    ByteSource,
    GrowingSource,
    Partition,
    Source,
    TableSource,
)

MODULES = [
    importlib.import_module(f"{sources.__name__}.{module.name}")
    for module in pkgutil.iter_modules(sources.__path__)
]
KINDS = {
    module.__name__.rpartition(".")[2]: module.SOURCE
    for module in MODULES
    if hasattr(module, "SOURCE")
}
ENTRIES: dict[str, dict[str, Any]] = {
    "files": {"paths": {"all": "rows.csv"}},
    "hub": {"dataset": "./folder", "members": {"all": "train"}},
    "package": {
        "package": "made",
        "version": "1",
        "file": "made.zip",
        "sha256": "0" * 64,
        "members": {"all": "rows.csv"},
    },
    "sql": {"url": "sqlite:///shop.db", "table": "reviews", "key": "id", "watermark": "stamp"},
}


def make_source(kind: str, folder: Path) -> Source:
    return read_source(Entry("made", {"kind": kind, **ENTRIES[kind]}), folder)


def methods(protocol: type[Any]) -> Iterator[tuple[str, inspect.Signature]]:
    for name, member in inspect.getmembers(protocol, inspect.isfunction):
        if not name.startswith("_"):
            yield name, inspect.signature(member)


def test_every_source_has_an_entry_in_this_test() -> None:
    assert set(KINDS) == set(ENTRIES)


@pytest.mark.parametrize("kind", KINDS)
def test_source_is_a_frozen_dataclass_of_its_entry_keys(kind: str, tmp_path: Path) -> None:
    source = make_source(kind, tmp_path)
    assert type(source) is KINDS[kind]
    assert is_dataclass(source)
    assert {field.name for field in fields(source)} >= set(ENTRIES[kind])
    with pytest.raises(AttributeError):
        setattr(source, fields(source)[0].name, "another")


@pytest.mark.parametrize("kind", KINDS)
def test_source_gives_either_bytes_or_tables(kind: str, tmp_path: Path) -> None:
    source = make_source(kind, tmp_path)
    assert isinstance(source, ByteSource) == source.has_format
    assert isinstance(source, TableSource) == (not source.has_format)


@pytest.mark.parametrize("kind", KINDS)
def test_source_methods_match_the_protocol(kind: str, tmp_path: Path) -> None:
    source = make_source(kind, tmp_path)
    protocols = [p for p in (ByteSource, TableSource, GrowingSource) if isinstance(source, p)]
    for protocol in protocols:
        for name, expected in methods(protocol):
            found = inspect.signature(getattr(type(source), name))
            assert list(found.parameters.values()) == list(expected.parameters.values()), name


def test_table_with_a_watermark_is_a_growing_source(tmp_path: Path) -> None:
    growing = {kind for kind in KINDS if isinstance(make_source(kind, tmp_path), GrowingSource)}
    assert growing == {"sql"}


def test_partitions_have_distinct_names_and_a_known_split(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text\nlumo\n")
    (tmp_path / "folder").mkdir()
    for kind in ("files", "hub", "package"):
        pieces = make_source(kind, tmp_path).pieces(Access(tmp_path), [])
        assert pieces
        assert all(isinstance(piece, Partition) and piece.split == "all" for piece in pieces), kind
        assert len({piece.name for piece in pieces}) == len(pieces)


def test_every_source_of_the_catalog_satisfies_the_protocol() -> None:
    assert all(
        isinstance(dataset.source, ByteSource | TableSource) for dataset in read_catalog().values()
    )

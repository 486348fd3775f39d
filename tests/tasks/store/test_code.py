"""Code digests: one rule for every stage."""

import ast
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from data.catalog.catalog import find_dataset
from data.formats.base import all_formats, format_module
from tasks.evaluate import scoring_code
from tasks.gradient_health import health_code
from tasks.ingestion.snapshot import ROWS, rows_code
from tasks.promote import deciding_code
from tasks.registry.lineage import training_digest
from tasks.store import code as rule
from tasks.store.artifacts import TokenSet
from tasks.store.code import (
    BOUNDARY,
    OURS,
    code_digest,
    imported_names,
    needed_modules,
    path_of,
    shape_digest,
)
from tasks.store.installation import ROOT
from tasks.tokenize import token_code

pytestmark = pytest.mark.case("B10")
MODULE = '''"""A module."""

from data.other import value


class Thing:
    """A thing."""

    def act(self, x: int = 1) -> int:
        """Act."""
        # why
        return value + x
'''
SAME: dict[str, Callable[[str], str]] = {
    "another docstring of the module": lambda text: text.replace("A module.", "Other words."),
    "another docstring of a function": lambda text: text.replace(
        "Act.", "Act at once.\n\n        Twice."
    ),
    "no docstring of a class": lambda text: text.replace('    """A thing."""\n\n', ""),
    "another comment": lambda text: text.replace("# why", "# because"),
    "a line break": lambda text: text.replace(
        "return value + x", "return (\n            value\n            + x\n        )"
    ),
    "empty lines": lambda text: text.replace("\n\n", "\n\n\n\n"),
    "other quotes": lambda text: text.replace('"""Act."""', "'Act.'"),
}
OTHER: dict[str, Callable[[str], str]] = {
    "another operation": lambda text: text.replace("value + x", "value - x"),
    "another default": lambda text: text.replace("= 1", "= 2"),
    "another import": lambda text: text.replace("data.other", "data.others"),
    "another name": lambda text: text.replace("act", "do"),
    "a text that is no docstring": lambda text: text.replace(
        "        return", '        note = "x"\n        return'
    ),
}


@pytest.mark.parametrize("change", SAME)
def test_code_digest_ignores_docstrings_comments_and_layout(change: str) -> None:
    assert SAME[change](MODULE) != MODULE
    assert shape_digest(SAME[change](MODULE)) == shape_digest(MODULE)


@pytest.mark.parametrize("change", OTHER)
def test_code_digest_changes_with_executed_code(change: str) -> None:
    assert shape_digest(OTHER[change](MODULE)) != shape_digest(MODULE)


def test_code_digest_follows_every_form_of_import() -> None:
    text = (
        "import data.a\nfrom data import b\nfrom data.c import d\nimport numpy\n\n\n"
        "def f():\n    import tasks.e\n"
    )
    assert set(imported_names(text)) >= {"data.a", "data.b", "data.c", "data.c.d", "tasks.e"}
    assert not any(name.startswith("numpy") for name in imported_names(text))


REVIEWS = find_dataset("rotten_tomatoes")
TOKENS = TokenSet(
    dataset="made",
    digest="0",
    problem="sentiment",
    tokenizer="words",
    snapshot="0",
    rows={},
    sizes={},
    limit=0,
    test_split="0",
    settings={},
    format="csv",
)
STAGES: dict[str, Callable[[], str]] = {
    "ingest": lambda: rows_code(REVIEWS),
    "tokenize": token_code,
    "train": lambda: training_digest("sentiment"),
    "evaluate": lambda: scoring_code(TOKENS),
    "promote": deciding_code,
    "health": health_code,
}
# By stage: modules that it runs, and modules that it does not.
RUNS = {
    "ingest": [
        "data/rows/hashing.py",
        "data/rows/checks.py",
        "data/text/invisible_characters.py",
        "data/ingestion/report.py",
        "tasks/ingestion/snapshot_writer.py",
    ],
    "tokenize": [
        "data/rows/hashing.py",
        "data/text/encoder.py",
        "data/text/labels.py",
        "data/rows/streams.py",
        "tasks/tokenize.py",
    ],
    "train": [
        "rnn_models/training/loop.py",
        "rnn_models/problems/sentiment.py",
        "rnn_models/layers/recurrent.py",
        "rnn_models/batching/batch.py",
    ],
    "evaluate": [
        "rnn_models/evaluation/metrics.py",
        "tasks/serving/predictor.py",
        "data/formats/delimited.py",
        "rnn_models/problems/sentiment.py",
    ],
    "promote": [
        "tasks/promotion/rule.py",
        "rnn_models/evaluation/significance.py",
        "rnn_models/evaluation/metrics.py",
        "tasks/promote.py",
    ],
    "health": [
        "rnn_models/diagnostics/probe.py",
        "rnn_models/diagnostics/diagnosis.py",
        "tasks/gradient_health.py",
        "tasks/pages/health.py",
    ],
}
DOES_NOT_RUN = {
    "ingest": [
        "data/ingestion/recommendations.py",
        "data/formats/tunes.py",
        "data/sources/hub.py",
        "rnn_models/layers/recurrent.py",
        "tasks/pages/data.py",
    ],
    "tokenize": [
        "data/rows/checks.py",
        "data/catalog/catalog.py",
        "data/ingestion/recommendations.py",
        "rnn_models/layers/recurrent.py",
        "tasks/ingest.py",
    ],
    "train": [
        "rnn_models/problems/ner.py",
        "rnn_models/evaluation/significance.py",
        "tasks/train.py",
        "data/rows/splits.py",
    ],
    "evaluate": [
        "rnn_models/problems/ner.py",
        "rnn_models/training/loop.py",
        "tasks/promote.py",
        "tasks/registry/mlflow_client.py",
    ],
    "promote": [
        "tasks/pages/model_card.py",
        "tasks/register.py",
        "rnn_models/training/loop.py",
        "data/rows/splits.py",
    ],
    "health": ["tasks/promote.py", "data/rows/splits.py", "tasks/pages/model_card.py"],
}


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of our packages, which the digests are made of."""
    for package in OURS:
        shutil.copytree(
            ROOT / package,
            tmp_path / package,
            ignore=shutil.ignore_patterns("__pycache__", "*.yaml"),
        )
    monkeypatch.setitem(code_digest.__kwdefaults__, "root", tmp_path)  # type: ignore[index]
    return tmp_path


def add(path: Path, text: str) -> None:
    assert path.is_file()
    path.write_text(path.read_text() + text)


@pytest.mark.parametrize("stage", STAGES)
def test_stage_digest_changes_with_a_function_in_its_closure(stage: str, copy: Path) -> None:
    for module in RUNS[stage]:
        before = STAGES[stage]()
        add(copy / module, "\n\ndef more() -> int:\n    return 1\n")
        assert STAGES[stage]() != before, module


@pytest.mark.parametrize("stage", STAGES)
def test_stage_digest_ignores_comments_and_modules_outside_its_closure(
    stage: str, copy: Path
) -> None:
    before = STAGES[stage]()
    for module in DOES_NOT_RUN[stage]:
        add(copy / module, "\n\ndef more() -> int:\n    return 1\n")
        assert STAGES[stage]() == before, module
    for path in copy.rglob("*.py"):
        add(path, "\n# a remark\n")
    assert STAGES[stage]() == before


def test_ingest_digest_covers_source_and_format_of_the_dataset(copy: Path) -> None:
    before = rows_code(REVIEWS)
    assert REVIEWS.format is not None
    add(copy / path_of(format_module(REVIEWS.format["kind"])), "\nx = 1\n")
    other = rows_code(REVIEWS)
    add(copy / "data/sources/package.py", "\nx = 1\n")
    assert len({before, other, rows_code(REVIEWS)}) == 3


def test_every_format_has_a_module() -> None:
    assert all((ROOT / path_of(format_module(name))).is_file() for name in all_formats())


def test_a_module_of_the_boundary_exists_and_is_never_entered() -> None:
    assert all((ROOT / path).is_file() for path in BOUNDARY)
    assert not BOUNDARY & set(needed_modules(map(Path, ROWS), boundary=BOUNDARY))


def test_code_digest_covers_library_versions() -> None:
    assert code_digest("data/rows/splits.py") != code_digest(
        "data/rows/splits.py", libraries=("numpy",)
    )


def test_stage_digests_are_cached_within_a_process() -> None:
    for stage in STAGES.values():
        stage()
    started = time.process_time()
    for stage in STAGES.values():
        stage()
    assert time.process_time() - started < 0.2


def test_all_code_digests_come_from_one_module() -> None:
    defined = [
        path
        for package in OURS
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name == "code_digest"
    ]
    assert defined == [Path(rule.__file__)]

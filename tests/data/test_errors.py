"""The name that is suggested for a wrong one."""

import pytest

from data.errors import nearest
from data.formats.tags import SCHEMES


@pytest.mark.case("D16")
@pytest.mark.parametrize(
    ("name", "names", "meant"),
    [
        ("IOB2", SCHEMES, "BIO"),
        ("iob", SCHEMES, "IOB1"),
        ("BILOU", SCHEMES, "BIOES"),
        ("BIO2", SCHEMES, "BIO"),
        ("dev", ("train", "validation", "test"), "validation"),
        ("char", ("words", "characters", "bpe"), "characters"),
    ],
)
def test_name_used_by_other_tools_is_answered_with_ours(
    name: str, names: tuple[str, ...], meant: str
) -> None:
    assert nearest(name, names) == f"did you mean {meant}?"


@pytest.mark.case("D16")
def test_synonym_that_is_no_valid_choice_is_not_suggested() -> None:
    assert nearest("IOB2", ("csv", "tsv")) == "expected one of: csv, tsv"

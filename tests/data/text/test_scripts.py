"""Which scripts separate words by spaces, decided by Unicode's data."""

import pyarrow as pa
import pytest

from data.text.scripts import Scripts, count_scripts

pytestmark = pytest.mark.case("D13")


def counted(*texts: object) -> Scripts:
    return count_scripts([pa.chunked_array([list(texts)])])


@pytest.mark.parametrize(
    "text",
    ["漢字", "ひらがな", "カタカナ", "ไทย", "ລາວ", "ខ្មែរ", "မြန်မာ", "བོད", "ꆈꌠ", "ꦗꦮ", "𠀀𠀁"],
)
def test_scripts_without_spaces_are_detected(text: str) -> None:
    found = counted(text)
    assert found.unspaced_share > 0.6
    assert found.is_unspaced


@pytest.mark.parametrize(
    "text",
    ["lumo sela", "Λάμδα", "жук", "한국어", "اردو", "हिन्दी", "עברית", "தமிழ்", "ქართული", "አማርኛ"],
)
def test_scripts_with_spaces_are_not_detected_as_unspaced(text: str) -> None:
    assert counted(text) == Scripts(letters=counted(text).letters, unspaced=0, han=0)
    assert not counted(text).is_unspaced


def test_share_counts_letters_of_all_texts_without_marks_and_digits() -> None:
    assert counted("漢字ab", "カ 12,。", None, "") == Scripts(letters=5, unspaced=3, han=2)


def test_share_of_letters_decides_for_mixed_scripts() -> None:
    assert not counted("漢 lumo").is_unspaced
    assert counted("漢字文 lum").is_unspaced


def test_texts_without_letters_count_as_spaced() -> None:
    assert not counted("12 !").is_unspaced
    assert not count_scripts([]).is_unspaced


def test_tokens_in_lists_are_counted() -> None:
    assert counted(["漢", "字"], ["ab"]) == Scripts(letters=4, unspaced=2, han=2)

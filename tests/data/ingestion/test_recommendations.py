"""Recommendations for what stands out in a data report."""

from collections.abc import Mapping
from typing import Any

import pytest

from data.ingestion.recommendations import recommend
from data.ingestion.remedies import REMEDIES
from data.rows.check_settings import KINDS
from data.rows.splits import SPLITS

EVEN = {"neg": 500, "pos": 500}


def report(**changes: Any) -> dict[str, Any]:
    """A report in which nothing stands out, with some changes."""
    data_report = {
        "read": 10_000,
        "kept": 10_000,
        "refused": 0,
        "reasons": {},
        "splits": {
            split: {"rows": 5_000, "labels": dict(EVEN), "entities": {}} for split in SPLITS
        },
        "words": {
            "unit": "words",
            "rows": dict.fromkeys(SPLITS, 5_000),
            "sides": {"text": {"test": {"unknown_share": 0.02}}},
        },
    }
    return data_report | changes


def with_splits(**counted: Mapping[str, Any]) -> dict[str, Any]:
    """The same with other counts in some splits."""
    data_report = report()
    for split, counts in counted.items():
        data_report["splits"][split] |= counts
    return data_report


def with_words(
    share: float, *, side: str = "text", unit: str = "words", sampled: int = 5_000
) -> dict[str, Any]:
    sides = {side: {"test": {"unknown_share": share}}}
    return report(
        words={
            "unit": unit,
            "rows": {"train": sampled, "validation": 5_000, "test": 5_000},
            "sides": sides,
        }
    )


def test_dataset_without_problems_has_no_advice() -> None:
    assert recommend(report()) == []


def test_every_kind_of_rejected_row_has_a_remedy_unless_rejection_is_the_remedy() -> None:
    assert set(REMEDIES) == set(KINDS) - {"duplicate", "leak"}


@pytest.mark.parametrize("kind", REMEDIES)
def test_rejected_rows_have_a_number_and_a_remedy(kind: str) -> None:
    assert recommend(report(reasons={kind: 1_234})) == [
        f"1,234 rejected as `{kind}`: {REMEDIES[kind]}."
    ]


@pytest.mark.parametrize("kind", ["duplicate", "leak"])
def test_duplicates_have_no_advice(kind: str) -> None:
    assert recommend(report(reasons={kind: 7})) == []


def test_advice_on_rejected_rows_comes_first_in_report_order() -> None:
    data_report = with_splits(train={"labels": {"neg": 990, "pos": 10}}) | {
        "reasons": {"no_text": 9, "fields": 3}
    }
    message = recommend(data_report)
    assert [line.split(":")[0] for line in message[:2]] == [
        "9 rejected as `no_text`",
        "3 rejected as `fields`",
    ]
    assert len(message) == 3


CASES = {
    "no row at all": (
        report(kept=0),
        "no row was kept, so there is nothing to train on: look at source, columns and where.",
    ),
    "an empty split": (
        with_splits(validation={"rows": 0}),
        "validation has no rows, so nothing can be trained: bring more rows, or look at splits "
        "and source.",
    ),
    "a label that train lacks": (
        with_splits(test={"labels": {**EVEN, "odd": 3}}),
        "label odd stands in validation or test and never in train: it cannot be learned.",
    ),
    "a rare label": (
        with_splits(train={"labels": {**EVEN, "odd": 9}}),
        "label odd stands fewer than 10 times in train: bring more, or leave it out.",
    ),
    "an entity that train lacks": (
        with_splits(test={"entities": {"PER": 4}}),
        "entity PER stands in validation or test and never in train: it cannot be learned.",
    ),
    "a rare entity": (
        with_splits(train={"entities": {"PER": 4}}),
        "entity PER stands fewer than 10 times in train: bring more, or leave it out.",
    ),
    "one label": (
        {**with_splits(**{split: {"labels": {"neg": 900}} for split in SPLITS})},
        "train has one label only, so there is nothing to learn: look at where, labels and "
        "columns.",
    ),
    "one label for most": (
        with_splits(train={"labels": {"neg": 810, "pos": 190}}),
        "81% of train is neg: read macro F1 rather than accuracy.",
    ),
    "a small test split": (
        with_splits(test={"rows": 96}),
        "test has 96 rows: a score on it is known to about 10 points either way; a larger share "
        "helps.",
    ),
    "words that train lacks": (
        with_words(0.123),
        "12% of the words in test's text stand nowhere in train: "
        "pieces of words (tokenizer bpe, unigram or wordpiece) read them all.",
    ),
    "copies that a publisher's splits keep": (
        report(repeated=1_200),
        "1,200 kept rows repeat another kept row, because the publisher's splits are kept whole: "
        "`checks: {repeats: all}` refuses them.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_problem_has_only_its_own_advice(case: str) -> None:
    data_report, message = CASES[case]
    assert recommend(data_report) == [message]


LIMITS = {
    "ten of a label": with_splits(train={"labels": {**EVEN, "odd": 10}}),
    "four of five with one label": with_splits(train={"labels": {"neg": 800, "pos": 200}}),
    "a test split that is large enough": with_splits(
        test={"rows": 1_068}
    ),  # 98 / sqrt(1068) = 3.0 points
    "one word of ten": with_words(0.1),
    "characters": with_words(0.5, unit="characters"),
    "tokens, which the tagger gives": with_words(0.5, side="tokens"),
    "a sample of train, which lacks words that train has": with_words(0.5, sampled=4_999),
    "no copies": report(repeated=0),
}


@pytest.mark.parametrize("case", LIMITS)
def test_values_just_within_a_limit_have_no_advice(case: str) -> None:
    assert recommend(LIMITS[case], "characters" if case == "characters" else "words") == []


@pytest.mark.parametrize("tokenizer", ["bpe", "unigram", "wordpiece", "own.json"])
def test_subwords_are_not_advised_when_already_used(tokenizer: str) -> None:
    assert recommend(with_words(0.5), tokenizer) == []


def test_many_names_are_truncated_and_counted() -> None:
    rare = {f"label{i:03}": 1 for i in range(200)}
    message = recommend(with_splits(train={"labels": {**EVEN, **rare}}))
    assert message == [
        "label label000, label001, label002, label003, label004 and 195 more stands fewer than "
        "10 times in train: "
        "bring more, or leave it out."
    ]


def test_names_are_escaped_for_the_page() -> None:
    labels = {split: {"labels": {"a|b": 900, "c": 100}} for split in SPLITS}
    assert recommend(with_splits(**labels), written=lambda name: name.replace("|", r"\|")) == [
        r"90% of train is a\|b: read macro F1 rather than accuracy."
    ]


LOOKALIKES = {
    "case": ("pos", "Pos"),
    "Unicode form": ("caf\u00e9", "cafe\u0301"),
    "width": ("pos", "\uff50\uff4f\uff53"),
    "invisible inside": ("pos", "p\u200bos"),
    "spaces inside": ("very good", "very  good"),
    "letters of another script": ("pos", "\u0440\u043e\u0455"),
}


@pytest.mark.case("01")
@pytest.mark.parametrize("kind", LOOKALIKES)
@pytest.mark.parametrize(
    ("counted", "what", "remedy"),
    [("labels", "label", "in `labels`"), ("entities", "entity", "the source")],
)
def test_names_that_look_alike_are_listed(kind: str, counted: str, what: str, remedy: str) -> None:
    one, other = LOOKALIKES[kind]
    data_report = with_splits(
        train={counted: {one: 500, "neg": 500}}, test={counted: {one: 50, other: 50, "neg": 50}}
    )
    message = [line for line in recommend(data_report) if "in case or Unicode form only" in line]
    assert len(message) == 1
    assert message[0].startswith(f"{what} {one} and {other} differ")
    assert remedy in message[0]


@pytest.mark.case("01")
def test_names_that_differ_are_not_listed() -> None:
    data_report = with_splits(
        train={"labels": {"pos": 400, "neg": 400, "very good": 400, "verygood": 400}}
    )
    assert not [line for line in recommend(data_report) if "Unicode form" in line]


@pytest.mark.case("02")
def test_words_for_missing_values_are_listed_with_the_key_that_excludes_them() -> None:
    data_report = with_splits(
        train={"missing_words": {"label": {"NULL": 20, "nan": 9}}},
        test={"missing_words": {"label": {"NULL": 5}}},
    )
    assert recommend(data_report) == [
        "label NULL (25), nan (9): this looks like a missing value and is learned as it stands. "
        'Leave such rows out with `checks: {missing: ["NULL", "nan"]}`, or keep them if they are '
        "meant."
    ]


@pytest.mark.case("02")
def test_conflicts_of_missing_values_get_no_advice_on_annotators() -> None:
    data_report = report(
        reasons={"conflict": 7, "duplicate": 8},
        about_missing={"conflict": 7, "duplicate": 8},
        missing_words={"nan": 15},
    )
    message = recommend(data_report)
    assert len(message) == 1
    assert message[0].startswith(
        "15 rejected as `conflict`, `duplicate` have a text or label that looks like a missing "
        "value, nan (15)"
    )
    data_report["reasons"]["conflict"] = 9
    assert f"2 rejected as `conflict`: {REMEDIES['conflict']}." in recommend(data_report)


@pytest.mark.case("07")
@pytest.mark.parametrize("kind", ["duplicate", "leak"])
def test_many_duplicates_are_explained_and_few_are_not(kind: str) -> None:
    assert recommend(report(read=10_000, reasons={kind: 400})) == []
    message = recommend(report(read=10_000, reasons={kind: 6_000}))
    assert message[0].startswith(f"6,000 rows left out as `{kind}`: ")
    assert message[0].endswith("They do not count in `checks.max_refused_share`.")


def with_scripts(share: float, side: str = "text") -> dict[str, Any]:
    """Make a report with a share of letters without spaces, most of its characters unknown."""
    counts = {
        "unit": "characters" if share >= 0.5 else "words",
        "unspaced_share": share,
        "test": {"unknown_share": 0.0},
    }
    return report(
        words={"unit": "words", "rows": dict.fromkeys(SPLITS, 5_000), "sides": {side: counts}}
    )


@pytest.mark.case("D13")
@pytest.mark.parametrize("tokenizer", ["words", "wordpiece"])
def test_whitespace_tokenizer_is_advised_against_for_texts_without_spaces(
    tokenizer: str,
) -> None:
    assert recommend(with_scripts(0.97, side="target"), tokenizer) == [
        f"97% of the letters of target are of scripts without spaces between words, so tokenizer "
        f"{tokenizer} "
        "takes whole sentences as words: use characters or unigram."
    ]


@pytest.mark.case("D13")
@pytest.mark.parametrize(
    ("share", "side", "tokenizer"),
    [
        (0.97, "text", "characters"),
        (0.97, "text", "unigram"),
        (0.97, "text", "bpe"),
        (0.4, "text", "words"),
        (1.0, "tokens", "words"),
    ],
)
def test_suitable_tokenizer_has_no_advice(share: float, side: str, tokenizer: str) -> None:
    assert recommend(with_scripts(share, side=side), tokenizer) == []

"""Recommendations for a dataset, from its data report: one sentence for each problem."""

import json
import math
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any

from data.formats.base import NOTES
from data.formats.tags import SCHEME_ROWS
from data.ingestion.remedies import REMEDIES, remedy
from data.rows.splits import SPLITS
from data.text.invisible_characters import alike
from data.text.scripts import MOST

MOST_COMMON = 0.8  # from this share of one label on, accuracy is a poor measure
FEW_ROWS = 10  # fewer rows of a label or kind of entity in train are too few to learn it
UNKNOWN = 0.1  # share of running words that train lacks
WIDE_POINTS = 3.0  # half of a confidence interval, in percentage points
SHOWN = 5  # names in a sentence
CUT_AT_SPACES = ("words", "wordpiece")  # for these tokenizers a text without spaces is a word
MANY_COPIES = 0.05  # share of the rows that were read
COPIES = {
    "duplicate": "each row is learned once, so an export that repeats earlier rows is fine",
    "leak": "their text is in another split, so that no test row is trained on",
}


def recommend(
    report: Mapping[str, Any],
    tokenizer: str = "words",
    *,
    options: Container[str] | None = None,
    written: Callable[[str], str] = str,
) -> list[str]:
    """List the problems in a data report and their remedies, rejected rows first.

    Args:
        report: As ``data/ingestion/report.py`` makes it.
        tokenizer: Of the dataset.
        options: Names of the options of its format, empty without a format; None for all.
        written: Escapes a name from the data for the page that shows it.
    """
    return [
        *_refused(report, options),
        *_copies(report),
        *_missing(report, written),
        *_schemes(report),
        *_noted(report, written),
        *_empty(report),
        *_labels(report, "labels", "label", written),
        *_labels(report, "entities", "entity", written),
        *_alike(report, "labels", "label", written),
        *_alike(report, "entities", "entity", written),
        *_sizes(report),
        *_words(report, tokenizer),
        *_unspaced(report, tokenizer),
        *_repeats(report),
    ]


def _refused(report: Mapping[str, Any], options: Container[str] | None) -> Iterator[str]:
    """Give the remedy for rejected rows, except conflicts that missing values explain."""
    for kind, num in report["reasons"].items():
        rest = num - report.get("about_missing", {}).get(kind, 0)
        if kind in REMEDIES and rest:
            yield f"{rest:,} rejected as `{kind}`: {remedy(kind, options)}."


def _copies(report: Mapping[str, Any]) -> Iterator[str]:
    """Explain many copies, which are no damage."""
    for kind, about in COPIES.items():
        num = report["reasons"].get(kind, 0)
        if num > MANY_COPIES * report.get("read", 0):
            yield (
                f"{num:,} rows left out as `{kind}`: {about}. "
                "They do not count in `checks.max_refused_share`."
            )


def _missing(report: Mapping[str, Any], written: Callable[[str], str]) -> Iterator[str]:
    """List words for missing values, and the key that leaves their rows out."""
    counts: dict[str, Counter[str]] = {}
    for split in SPLITS:
        for side, found in report["splits"][split].get("missing_words", {}).items():
            counts.setdefault(side, Counter()).update(found)
    for side, words in counts.items():
        yield (
            f"{side} {_counted(words, written)}: this looks like a missing value "
            "and is learned as it stands. "
            f"Leave such rows out with {_left_out(words)}, or keep them if they are meant."
        )
    about = sum(report.get("about_missing", {}).values())
    if about:
        words = Counter(report["missing_words"])
        kinds = ", ".join(f"`{kind}`" for kind in report["about_missing"])
        yield (
            f"{about:,} rejected as {kinds} have a text or label that looks like a missing value, "
            f"{_counted(words, written)}: leave such rows out with {_left_out(words)}."
        )


def _counted(words: Counter[str], written: Callable[[str], str]) -> str:
    return ", ".join(f"{written(word)} ({num:,})" for word, num in words.most_common(SHOWN))


def _left_out(words: Iterable[str]) -> str:
    quoted = ", ".join(json.dumps(word, ensure_ascii=False) for word in words)
    return f"`checks: {{missing: [{quoted}]}}`"


def _schemes(report: Mapping[str, Any]) -> Iterator[str]:
    """Compare how many rows each scheme of tags rejects, if tags were a problem."""
    schemes = report.get("schemes")
    if schemes:
        counted = "; ".join(
            f"as {scheme}: {num:,} rows rejected"
            for scheme, num in sorted(schemes.items(), key=lambda s: s[1])
        )
        yield f"scheme of the format, tried on up to {SCHEME_ROWS:,} rows: {counted}."


def _noted(report: Mapping[str, Any], written: Callable[[str], str]) -> Iterator[str]:
    """List the notes about files."""
    for kind, found in report.get("notes", {}).items():
        name = str(found["file"]).rpartition("/")[2]
        yield f"{NOTES[kind]}: {found['count']:,} (first: {written(name)}, row {found['row']})."


def _empty(report: Mapping[str, Any]) -> Iterator[str]:
    """Find empty splits, which stop a training."""
    if not report["kept"]:
        yield "no row was kept, so there is nothing to train on: look at source, columns and where."
        return
    empty = [split for split in SPLITS if not report["splits"][split]["rows"]]
    if empty:
        yield (
            f"{' and '.join(empty)} has no rows, so nothing can be trained: "
            "bring more rows, or look at splits and source."
        )


def _labels(
    report: Mapping[str, Any], counted: str, what: str, written: Callable[[str], str]
) -> Iterator[str]:
    """Find labels, or kinds of entities, that are unknown or too rare in train."""
    found = report["splits"]["train"][counted]
    unseen = {name for split in SPLITS for name in report["splits"][split][counted]} - set(found)
    if unseen:
        yield (
            f"{what} {_listed(unseen, written)} stands in validation or test and never in train: "
            "it cannot be learned."
        )
    few = [name for name, num in found.items() if num < FEW_ROWS]
    if few:
        yield (
            f"{what} {_listed(few, written)} stands fewer than {FEW_ROWS} times in train: "
            "bring more, or leave it out."
        )
    if counted == "labels" and found:
        yield from _balance(found, written)


def _listed(names: Iterable[str], written: Callable[[str], str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - SHOWN:,} more" if len(ordered) > SHOWN else ""
    return ", ".join(map(written, ordered[:SHOWN])) + more


def _alike(
    report: Mapping[str, Any], counted: str, what: str, written: Callable[[str], str]
) -> Iterator[str]:
    """Find names that differ only in case, Unicode form, spaces or look-alike letters."""
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(
        name for split in SPLITS for name in report["splits"][split][counted]
    ):
        groups.setdefault(alike(name), []).append(name)
    for names in groups.values():
        if len(names) > 1:
            shown = f"{', '.join(written(name) for name in names[:-1])} and {written(names[-1])}"
            remedy = (
                "name both in `labels` with one name behind them"
                if counted == "labels"
                else "correct the source"
            )
            yield (
                f"{what} {shown} differ in case or Unicode form only, "
                f"and are learned as {len(names)} classes: {remedy}."
            )


def _balance(found: Mapping[str, int], written: Callable[[str], str]) -> Iterator[str]:
    if len(found) == 1:
        yield (
            "train has one label only, so there is nothing to learn: "
            "look at where, labels and columns."
        )
        return
    most = max(found, key=lambda name: found[name])
    total = sum(found.values())
    if found[most] > MOST_COMMON * total:
        share = found[most] / total
        yield f"{share:.0%} of train is {written(most)}: read macro F1 rather than accuracy."


def _sizes(report: Mapping[str, Any]) -> Iterator[str]:
    rows = report["splits"]["test"]["rows"]
    points = 100 * 1.96 * 0.5 / math.sqrt(max(rows, 1))  # of a share near one half
    if rows and points > WIDE_POINTS:
        yield (
            f"test has {rows:,} rows: a score on it is known to about {points:.0f} points "
            "either way; a larger share helps."
        )


def _words(report: Mapping[str, Any], tokenizer: str) -> Iterator[str]:
    """Find many unknown words, if all rows of train were counted: a sample lacks many words."""
    num = report["splits"]["train"]["rows"]
    counted = report["words"]["rows"]["train"]
    if tokenizer != "words" or not num or counted < num:
        return
    for side, counts in report["words"]["sides"].items():
        share = counts.get("test", {}).get("unknown_share", 0.0)
        if counts.get("unit") == "characters":  # _unspaced has the advice
            continue
        if side != "tokens" and share > UNKNOWN:
            yield (
                f"{share:.0%} of the words in test's {side} stand nowhere in train: "
                "pieces of words (tokenizer bpe, unigram or wordpiece) read them all."
            )


def _unspaced(report: Mapping[str, Any], tokenizer: str) -> Iterator[str]:
    """Find texts without spaces between words whose tokenizer cuts at spaces."""
    if tokenizer not in CUT_AT_SPACES:
        return
    for side, counts in report["words"]["sides"].items():
        share = counts.get("unspaced_share", 0.0)
        if side != "tokens" and share >= MOST:
            yield (
                f"{share:.0%} of the letters of {side} are of scripts without spaces between "
                f"words, so tokenizer {tokenizer} takes whole sentences as words: "
                "use characters or unigram."
            )


def _repeats(report: Mapping[str, Any]) -> Iterator[str]:
    if report.get("repeated"):
        yield (
            f"{report['repeated']:,} kept rows repeat another kept row, "
            "because the publisher's splits are kept whole: `checks: {repeats: all}` refuses them."
        )

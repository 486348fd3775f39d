"""What to do about a dataset, read from its data report: a sentence for each thing that stands out."""

import json
import math
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any

from data.formats.base import NOTES
from data.formats.tags import SCHEME_ROWS
from data.rows.splits import SPLITS
from data.text.invisible_characters import alike
from data.text.scripts import MOST

MOST_COMMON = 0.8  # share of one label from which accuracy says little
FEW_ROWS = 10  # of a label or a kind of entity in train, too few to learn it
UNKNOWN = 0.1  # share of running words that train does not have
WIDE_POINTS = 3.0  # half of an interval, in percent points
SHOWN = 5  # names in a sentence
CUT_AT_SPACES = ("words", "wordpiece")  # tokenizers to which a text without spaces is a word
REMEDIES = {
    "fields": "look at separator, quote, escape and header of its format",
    "header": "files were joined, each with its header: nothing of it is learnt; join them without headers, or list them "
    "in paths",
    "not_json": "each line of the file must be one JSON object",
    "wrong_type": "look at columns, and at the reason of such a row",
    "not_utf8": "name the file's encoding (format, encoding), or `detect` it",
    "no_text": "nothing to learn from there; look at columns if they are many",
    "one_side": "if both sides should be there, look whether the files are aligned",
    "control_characters": "the text was decoded wrongly somewhere before: name its encoding there, or keep them "
    "(`checks: {control_characters: keep}`)",
    "unknown_label": "add the label to `labels`, or correct the rows",
    "unknown_split": "write train, validation or test into the column of `splits`, or correct the rows",
    "bad_number": "look at columns; a number has a point, no comma, and no unit",
    "lengths_differ": "look at separator and columns of its format",
    "bad_token": "look at separator and columns of its format, or at the tokenizer",
    "tag_scheme": "look at scheme of its format (BIO, IOB1, BMES or BIOES), or correct the rows",
    "unknown_entity": "add the kind to `checks: {entities: [...]}`, or correct the rows",
    "too_short": "lower `checks: {min_length: ...}` if such rows are meant",
    "too_long": "raise `checks: {max_length: ...}` if such rows are meant",
    "length_ratio": "look whether the sides are aligned, or raise `checks: {max_ratio: ...}`",
    "source_equals_target": "keep them with `checks: {copies: keep}` if they are meant",
    "missing": "they stand for nothing; shorten `checks: {missing: [...]}` if some are meant",
    "conflict": "people labelled the same text differently: decide, and correct the source; the first one counts",
}
MANY_COPIES = 0.05  # share of the rows that were read
COPIES = {
    "duplicate": "each row is learned once, so an export that repeats earlier rows is fine",
    "leak": "their text is in another split, so that no test row is trained on",
}


# Of kinds whose remedy names an option: the option, and what to do where the format has none of that name.
WITHOUT = {
    "fields": ("header", "look at separator and prefix of its format, or correct the rows"),
    "not_utf8": ("encoding", "the file holds bytes that are no UTF-8: write it anew as text"),
    "lengths_differ": (
        "separator",
        "each token needs one tag: correct the rows, or look at columns",
    ),
    "bad_token": ("separator", "correct the rows, or look at columns and at the tokenizer"),
    "tag_scheme": (
        "scheme",
        "write tags as O, B-kind and I-kind, or name what they are in `labels` ({S-PER: B-PER, 0: O})",
    ),
}


def advice(
    report: Mapping[str, Any],
    tokenizer: str = "words",
    *,
    options: Container[str] | None = None,
    written: Callable[[str], str] = str,
) -> list[str]:
    """Say what stands out in a data report and what to do about it, the refused rows first.

    Args:
        report: As ``data/ingestion/report.py`` makes it.
        tokenizer: Of the dataset.
        options: Names of the options of its format, empty if it needs none; None for all.
        written: Writes a name from the data so that its signs are not taken
            for those of the page that it goes to.
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
    """Say what to do about rejected rows; of conflicts, only about those that no missing value explains."""
    for kind, num in report["reasons"].items():
        rest = num - report.get("about_missing", {}).get(kind, 0)
        if kind in REMEDIES and rest:
            yield f"{rest:,} refused as `{kind}`: {_remedy(kind, options)}."


def _copies(report: Mapping[str, Any]) -> Iterator[str]:
    """Tell that many copies are no damage, where they are so many that a reader asks."""
    for kind, about in COPIES.items():
        num = report["reasons"].get(kind, 0)
        if num > MANY_COPIES * report.get("read", 0):
            yield f"{num:,} rows left out as `{kind}`: {about}. They do not count in `checks.max_refused_share`."


def _missing(report: Mapping[str, Any], written: Callable[[str], str]) -> Iterator[str]:
    """Name the words that read like a missing value, and the entry's key that leaves their rows out."""
    counts: dict[str, Counter[str]] = {}
    for split in SPLITS:
        for side, found in report["splits"][split].get("missing_words", {}).items():
            counts.setdefault(side, Counter()).update(found)
    for side, words in counts.items():
        yield (
            f"{side} {_counted(words, written)}: this looks like a missing value and is learned as it stands. "
            f"Leave such rows out with {_left_out(words)}, or keep them if they are meant."
        )
    about = sum(report.get("about_missing", {}).values())
    if about:
        words = Counter(report["missing_words"])
        kinds = ", ".join(f"`{kind}`" for kind in report["about_missing"])
        yield (
            f"{about:,} refused as {kinds} have a text or label that looks like a missing value, {_counted(words, written)}: "
            f"leave such rows out with {_left_out(words)}."
        )


def _counted(words: Counter[str], written: Callable[[str], str]) -> str:
    return ", ".join(f"{written(word)} ({num:,})" for word, num in words.most_common(SHOWN))


def _left_out(words: Iterable[str]) -> str:
    return f"`checks: {{missing: [{', '.join(json.dumps(word, ensure_ascii=False) for word in words)}]}}`"


def _remedy(kind: str, options: Container[str] | None) -> str:
    """What to do about a kind of fault, by options that the dataset's format has."""
    option, other = WITHOUT.get(kind, ("", ""))
    return other if option and options is not None and option not in options else REMEDIES[kind]


def _schemes(report: Mapping[str, Any]) -> Iterator[str]:
    """Say how many rows each scheme of tags rejects, where some were rejected for their tags."""
    schemes = report.get("schemes")
    if schemes:
        counted = "; ".join(
            f"as {scheme}: {num:,} rows rejected"
            for scheme, num in sorted(schemes.items(), key=lambda s: s[1])
        )
        yield f"scheme of the format, tried on up to {SCHEME_ROWS:,} rows: {counted}."


def _noted(report: Mapping[str, Any], written: Callable[[str], str]) -> Iterator[str]:
    """Say what was found in the files that is no row."""
    for kind, found in report.get("notes", {}).items():
        name = str(found["file"]).rpartition("/")[2]
        yield f"{NOTES[kind]}: {found['count']:,} (first: {written(name)}, row {found['row']})."


def _empty(report: Mapping[str, Any]) -> Iterator[str]:
    """Look for splits without a row: with one of them nothing is trained."""
    if not report["kept"]:
        yield "no row was kept, so there is nothing to train on: look at source, columns and where."
        return
    empty = [split for split in SPLITS if not report["splits"][split]["rows"]]
    if empty:
        yield f"{' and '.join(empty)} has no rows, so nothing can be trained: bring more rows, or look at splits and source."


def _labels(
    report: Mapping[str, Any], counted: str, what: str, written: Callable[[str], str]
) -> Iterator[str]:
    """Look for labels, or kinds of entities, that are too many or too few."""
    found = report["splits"]["train"][counted]
    unseen = {name for split in SPLITS for name in report["splits"][split][counted]} - set(found)
    if unseen:
        yield f"{what} {_listed(unseen, written)} stands in validation or test and never in train: it cannot be learnt."
    few = [name for name, num in found.items() if num < FEW_ROWS]
    if few:
        yield f"{what} {_listed(few, written)} stands fewer than {FEW_ROWS} times in train: bring more, or leave it out."
    if counted == "labels" and found:
        yield from _balance(found, written)


def _listed(names: Iterable[str], written: Callable[[str], str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - SHOWN:,} more" if len(ordered) > SHOWN else ""
    return ", ".join(map(written, ordered[:SHOWN])) + more


def _alike(
    report: Mapping[str, Any], counted: str, what: str, written: Callable[[str], str]
) -> Iterator[str]:
    """List names that a reader takes for one: they differ in case, Unicode form, inner spaces or look-alike letters only."""
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
            yield f"{what} {shown} differ in case or Unicode form only, and are learned as {len(names)} classes: {remedy}."


def _balance(found: Mapping[str, int], written: Callable[[str], str]) -> Iterator[str]:
    if len(found) == 1:
        yield "train has one label only, so there is nothing to tell apart: look at where, labels and columns."
        return
    most, total = max(found, key=lambda name: found[name]), sum(found.values())
    if found[most] > MOST_COMMON * total:
        yield f"{found[most] / total:.0%} of train is {written(most)}: read macro F1 rather than accuracy."


def _sizes(report: Mapping[str, Any]) -> Iterator[str]:
    rows = report["splits"]["test"]["rows"]
    points = 100 * 1.96 * 0.5 / math.sqrt(max(rows, 1))  # of a share near one half
    if rows and points > WIDE_POINTS:
        yield f"test has {rows:,} rows: a score on it is known to about {points:.0f} points either way; a larger share helps."


def _words(report: Mapping[str, Any], tokenizer: str) -> Iterator[str]:
    """Look for words that train does not have, where it was counted as a whole: a sample lacks many."""
    num, counted = report["splits"]["train"]["rows"], report["words"]["rows"]["train"]
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
    """Look for texts without spaces between words whose tokenizer cuts at spaces."""
    if tokenizer not in CUT_AT_SPACES:
        return
    for side, counts in report["words"]["sides"].items():
        share = counts.get("unspaced_share", 0.0)
        if side != "tokens" and share >= MOST:
            yield (
                f"{share:.0%} of the letters of {side} are of scripts without spaces between words, so tokenizer {tokenizer} "
                "takes whole sentences as words: use characters or unigram."
            )


def _repeats(report: Mapping[str, Any]) -> Iterator[str]:
    if report.get("repeated"):
        yield (
            f"{report['repeated']:,} kept rows say what another kept row says, for the publisher's splits are kept whole: "
            "`checks: {repeats: all}` refuses them."
        )

"""What to do about a dataset, read from its data report: a sentence for each thing that stands out."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from data.scripts import MOST
from data.splits import SPLITS

MOST_COMMON = 0.8  # share of one label from which accuracy says little
FEW_ROWS = 10  # of a label or a kind of entity in train, too few to learn it
UNKNOWN = 0.1  # share of running words that train does not have
WIDE_POINTS = 3.0  # half of an interval, in percent points
SHOWN = 5  # names in a sentence
CUT_AT_SPACES = ("words", "wordpiece")  # tokenizers to which a text without spaces is a word
REMEDIES = {
    "fields": "look at separator, quote and header of its format",
    "not_json": "each line of the file must be one JSON object",
    "wrong_type": "look at columns: is it the right one?",
    "not_utf8": "name the file's encoding (format, encoding), or `detect` it",
    "no_text": "nothing to learn from there; look at columns if they are many",
    "one_side": "if both sides should be there, look whether the files are aligned",
    "control_characters": "the text was decoded wrongly somewhere before: name its encoding there, or keep them "
    "(`checks: {control_characters: keep}`)",
    "unknown_label": "add the label to `labels`, or correct the rows",
    "lengths_differ": "look at separator and columns of its format",
    "bad_token": "look at separator and columns of its format, or at the tokenizer",
    "tag_scheme": "look at scheme of its format (BIO, IOB1, BMES or BIOES), or correct the rows",
    "unknown_entity": "add the kind to `checks: {entities: [...]}`, or correct the rows",
    "too_short": "lower `checks: {min_length: ...}` if such rows are meant",
    "too_long": "raise `checks: {max_length: ...}` if such rows are meant",
    "length_ratio": "look whether the sides are aligned, or raise `checks: {max_ratio: ...}`",
    "source_equals_target": "keep them with `checks: {copies: keep}` if they are meant",
    "conflict": "people labelled the same text differently: decide, and correct the source; the first one counts",
}


def advice(report: Mapping[str, Any], tokenizer: str = "words", *, written: Callable[[str], str] = str) -> list[str]:
    """Say what stands out in a data report and what to do about it, the refused rows first.

    Args:
        report: As ``data/report.py`` makes it.
        tokenizer: Of the dataset.
        written: Writes a name from the data so that its signs are not taken
            for those of the page that it goes to.
    """
    return [
        *_refused(report),
        *_empty(report),
        *_labels(report, "labels", "label", written),
        *_labels(report, "entities", "entity", written),
        *_sizes(report),
        *_words(report, tokenizer),
        *_unspaced(report, tokenizer),
        *_repeats(report),
    ]


def _refused(report: Mapping[str, Any]) -> Iterator[str]:
    """Say what to do about refused rows; nothing about copies and leaks, whose refusal is the cure."""
    for kind, num in report["reasons"].items():
        if kind in REMEDIES:
            yield f"{num:,} refused as `{kind}`: {REMEDIES[kind]}."


def _empty(report: Mapping[str, Any]) -> Iterator[str]:
    """Look for splits without a row: with one of them nothing is trained."""
    if not report["kept"]:
        yield "no row was kept, so there is nothing to train on: look at source, columns and where."
        return
    empty = [split for split in SPLITS if not report["splits"][split]["rows"]]
    if empty:
        yield f"{' and '.join(empty)} has no rows, so nothing can be trained: bring more rows, or look at splits and source."


def _labels(report: Mapping[str, Any], counted: str, what: str, written: Callable[[str], str]) -> Iterator[str]:
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

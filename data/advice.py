"""What to do about a dataset, read from its data report: a sentence for each thing that stands out."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from data.splits import SPLITS

MOST_COMMON = 0.8  # share of one label from which accuracy says little
FEW_ROWS = 10  # of a label or a kind of entity in train, too few to learn it
UNKNOWN = 0.1  # share of running words that train does not have
WIDE_POINTS = 3.0  # half of an interval, in percent points
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


def advice(report: Mapping[str, Any]) -> list[str]:
    """Say what stands out in a data report and what to do about it, the refused rows first."""
    return [*_refused(report), *_labels(report, "labels", "label"), *_labels(report, "entities", "entity"),
            *_sizes(report), *_words(report), *_repeats(report)]  # fmt: skip


def _refused(report: Mapping[str, Any]) -> Iterator[str]:
    """Say what to do about refused rows; nothing about copies and leaks, whose refusal is the cure."""
    for kind, num in report["reasons"].items():
        if kind in REMEDIES:
            yield f"{num:,} refused as `{kind}`: {REMEDIES[kind]}."


def _labels(report: Mapping[str, Any], counted: str, what: str) -> Iterator[str]:
    """Look for labels, or kinds of entities, that are too many or too few."""
    train = report["splits"]["train"]
    found = train[counted]
    names = {name for split in SPLITS for name in report["splits"][split][counted]}
    if not names:
        return
    unseen = sorted(names - set(found))
    if unseen:
        yield f"{what} {', '.join(unseen)} stands in validation or test and never in train: it cannot be learnt."
    few = sorted(name for name, num in found.items() if num < FEW_ROWS)
    if few:
        yield f"{what} {', '.join(few)} stands fewer than {FEW_ROWS} times in train: bring more, or leave it out."
    if counted == "labels" and len(found) < 2:
        yield "train has one label only, so there is nothing to tell apart: look at where, labels and columns."
    elif counted == "labels" and max(found.values()) > MOST_COMMON * train["rows"]:
        most = max(found, key=lambda name: found[name])
        yield f"{found[most] / train['rows']:.0%} of train is {most}: read macro F1 rather than accuracy."


def _sizes(report: Mapping[str, Any]) -> Iterator[str]:
    rows = report["splits"]["test"]["rows"]
    points = 100 * 1.96 * 0.5 / math.sqrt(max(rows, 1))  # of a share near one half
    if rows and points > WIDE_POINTS:
        yield f"test has {rows:,} rows: a score on it is known to about {points:.0f} points either way; a larger share helps."


def _words(report: Mapping[str, Any]) -> Iterator[str]:
    words = report["words"]
    for side, counts in words["sides"].items():
        share = counts.get("test", {}).get("unknown_share", 0.0)
        if (
            words["unit"] == "words"
            and side != "tokens"
            and share > UNKNOWN
            and words["rows"]["train"] >= report["splits"]["train"]["rows"]
        ):
            yield (
                f"{share:.0%} of the words in test's {side} stand nowhere in train: "
                "pieces of words (tokenizer bpe, unigram or wordpiece) read them all."
            )


def _repeats(report: Mapping[str, Any]) -> Iterator[str]:
    if report.get("repeated"):
        yield (
            f"{report['repeated']:,} kept rows say what another kept row says, for the publisher's splits are kept whole: "
            "`checks: {repeats: all}` refuses them."
        )

"""Remedies for rejected rows, by the kind of their fault."""

from collections.abc import Container

REMEDIES = {
    "fields": "look at separator, quote, escape and header of its format",
    "header": "files were joined, each with its header: nothing of it is learned; "
    "join them without headers, or list them in paths",
    "not_json": "each line of the file must be one JSON object",
    "wrong_type": "look at columns, and at the reason of such a row",
    "not_utf8": "name the file's encoding (format, encoding), or `detect` it",
    "no_text": "nothing to learn from there; look at columns if they are many",
    "one_side": "if both sides should be there, look whether the files are aligned",
    "control_characters": "the text was decoded wrongly somewhere before: "
    "name its encoding there, or keep them (`checks: {control_characters: keep}`)",
    "unknown_label": "add the label to `labels`, or correct the rows",
    "unknown_split": "write train, validation or test into the column of `splits`, "
    "or correct the rows",
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
    "conflict": "people labelled the same text differently: decide, and correct the source; "
    "the first one counts",
}
# Kinds whose remedy names an option: the option, and the remedy for formats without it.
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
        "write tags as O, B-kind and I-kind, or map them in `labels` ({S-PER: B-PER, 0: O})",
    ),
}


def remedy(kind: str, options: Container[str] | None) -> str:
    """Find the remedy for a kind of fault, by the options that the dataset's format has."""
    option, other = WITHOUT.get(kind, ("", ""))
    return other if option and options is not None and option not in options else REMEDIES[kind]

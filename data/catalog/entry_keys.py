"""The meaning of each key of a catalog entry, for the docs; a test compares it with ``Dataset``."""

KEYS = {
    "about": "one line for people",
    "problem": "what is learned: `refrain datasets` lists the problems",
    "language": "of the texts, such as `en`, or `en-fr` for pairs",
    "source": "where the rows come from: `kind` and its keys, see Sources",
    "format": "how files are read: `kind` and its options, see Formats; "
    "not for tables (`sql`, `hub`)",
    "columns": "role (`text`, `label`, `score`, `tokens`, `tags`, `source`, `target`, `key`) to a "
    "column's name, or its number from 0",
    "where": "column to the value it must have: only such rows are read",
    "labels": "the publisher's labels or tags to ours: `{0: neg, 1: pos}`, `{0: O, 1: B-PER}`; "
    "others are rejected",
    "splits": "shares of `validation` and `test`, by content; or `column`, which names each row's "
    "split (train, validation or val or dev, test)",
    "tokenizer": "see Tokenizers",
    "checks": "rules that differ from their defaults, see Rules",
    "removals": "a list of who asked to be forgotten",
    "settings": "settings of the stages `tokens`, `training`, `evaluation` and `promotion`, as in "
    "`settings: {training: {max_epochs: 5}}`; "
    "`prefect.yaml` and `--set` override them",
    "licence": "of the rows",
    "origin": "whose rows they are",
}

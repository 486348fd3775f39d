"""Tokenizers of each kind, trained on streams of texts by Hugging Face tokenizers."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import tokenizers as hf
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from data.text.settings import SPECIAL, UNK_ID, TokenSettings

# Starts a new iteration over batches of texts or of cut tokens.
Texts = Callable[[], Iterator[list[str]]]
UNKNOWN = SPECIAL[UNK_ID]
PREFIX = "##"  # of a WordPiece inside a word
ACCENTS = r"(?<=\P{Mn})\p{Mn}+"
DIGIT = r"\p{Nd}"
FORMS: dict[str, Any] = {"NFC": normalizers.NFC, "NFKC": normalizers.NFKC}


def normalizer_steps(settings: TokenSettings) -> list[Any]:
    """List the normalizers of some settings, in order; offsets still refer to the raw text.

    A token must not become empty, or its tag would have no id: an accent
    without a letter stays. HTML is read before (``data/text/html.py``).
    """
    steps: list[Any] = []
    if settings.unicode != "none":
        steps.append(FORMS[settings.unicode]())
    if settings.strip_accents:
        steps += [normalizers.NFD(), normalizers.Replace(hf.Regex(ACCENTS), ""), normalizers.NFC()]
    if settings.lowercase:
        steps.append(normalizers.Lowercase())
    if settings.digits:
        steps.append(normalizers.Replace(hf.Regex(DIGIT), "0"))
    return steps


def train_tokenizer(
    kind: str, texts: Texts, settings: TokenSettings, *, is_cut: bool
) -> hf.Tokenizer:
    """Build a vocabulary of one of ``KINDS``; ``is_cut`` if the texts are tokens already."""
    # A literal <eos> in a text must not put the name of a special id into a vocabulary.
    guard = normalizers.Replace(hf.Regex("<(?=(pad|unk|bos|eos)>)"), "< ")
    normalizer = normalizers.Sequence([*normalizer_steps(settings), guard])
    if kind in ("words", "characters"):
        return _train_words(kind, texts, settings, normalizer, is_cut=is_cut)
    return {"bpe": _train_bpe, "unigram": _train_unigram, "wordpiece": _train_wordpiece}[kind](
        texts, settings, normalizer
    )


def _assembled(model: Any, normalizer: Any, splitter: Any, decoder: Any) -> hf.Tokenizer:
    made = hf.Tokenizer(model)
    made.normalizer = normalizer
    if splitter is not None:
        made.pre_tokenizer = splitter
    if decoder is not None:
        made.decoder = decoder
    return made


def _shared(settings: TokenSettings) -> dict[str, Any]:
    return {
        "special_tokens": list(SPECIAL),
        "vocab_size": settings.vocabulary_size,
        "show_progress": False,
    }


def _train_words(
    kind: str, texts: Texts, settings: TokenSettings, normalizer: Any, *, is_cut: bool
) -> hf.Tokenizer:
    """Whole words or single characters; characters are written without spaces between them."""
    is_words = kind == "words"
    splitter = (
        pre_tokenizers.Whitespace()
        if is_words
        else pre_tokenizers.Split(hf.Regex(r"[\s\S]"), "isolated")
    )
    decoder = None if is_words else decoders.Fuse()
    made = _assembled(
        models.WordLevel(unk_token=UNKNOWN), normalizer, None if is_cut else splitter, decoder
    )
    made.train_from_iterator(
        texts(),
        trainers.WordLevelTrainer(min_frequency=settings.min_frequency, **_shared(settings)),
    )
    return made


def add_words(inner: hf.Tokenizer, words: Iterable[str], num: int, *, is_cut: bool) -> hf.Tokenizer:
    """Give new ids to at most ``num`` more words, in their order.

    A word that normalization would change or a splitter cut can never occur,
    and is skipped.
    """
    known = inner.get_vocab()

    def can_occur(word: str) -> bool:
        if word in known or inner.normalizer.normalize_str(word) != word:
            return False
        return is_cut or [part for part, _ in inner.pre_tokenizer.pre_tokenize_str(word)] == [word]

    new = islice(filter(can_occur, dict.fromkeys(words)), num)
    made = hf.Tokenizer.from_str(inner.to_str())
    made.model = models.WordLevel(
        known | {word: len(known) + i for i, word in enumerate(new)}, unk_token=UNKNOWN
    )
    return made


def _train_bpe(texts: Texts, settings: TokenSettings, normalizer: Any) -> hf.Tokenizer:
    made = _assembled(
        models.BPE(unk_token=UNKNOWN), normalizer, pre_tokenizers.Metaspace(), decoders.Metaspace()
    )
    alphabet = settings.vocabulary_size - len(SPECIAL)
    trainer = trainers.BpeTrainer(
        min_frequency=settings.min_frequency, limit_alphabet=alphabet, **_shared(settings)
    )
    made.train_from_iterator(texts(), trainer)
    return made


def _train_unigram(texts: Texts, settings: TokenSettings, normalizer: Any) -> hf.Tokenizer:
    """Pieces by likelihood.

    The library rejects a vocabulary smaller than the alphabet. So it gets room
    for all characters; then rare ones are dropped and the likeliest pieces kept.
    """
    counts = count_characters(texts, normalizer)
    room = max(settings.vocabulary_size, len(counts) + len(SPECIAL) + 1)
    trainer = trainers.UnigramTrainer(unk_token=UNKNOWN, **_shared(settings) | {"vocab_size": room})
    made = _assembled(
        models.Unigram(), normalizer, pre_tokenizers.Metaspace(), decoders.Metaspace()
    )
    made.train_from_iterator(texts(), trainer)
    rare = {character for character, count in counts.items() if count < settings.min_frequency}
    pieces = json.loads(made.to_str())["model"]["vocab"][len(SPECIAL) :]
    scores = settled_scores(
        {piece: score for piece, score in pieces if rare.isdisjoint(piece)}, len(counts)
    )
    best = sorted(scores, key=lambda piece: (-scores[piece], -counts[piece], piece))[
        : settings.vocabulary_size - len(SPECIAL)
    ]
    scored = [*((name, 0.0) for name in SPECIAL), *((piece, scores[piece]) for piece in best)]
    made.model = models.Unigram(scored, UNK_ID, False)
    return made


def settled_scores(scores: dict[str, float], num_characters: int) -> dict[str, float]:
    """Make scores of pieces reproducible: equal rows, equal scores.

    The library adds floats in the order of its threads. It scores the
    characters that are no piece in steps of 0.0001 above the lowest score, in
    the order of a hash map. Here scores are rounded, and those characters all
    get the lowest.
    """
    lowest = min(scores.values(), default=0.0)
    line_end = lowest + 1e-4 * (num_characters + 1)
    return {
        piece: round(lowest if len(piece) == 1 and score < line_end else score, 6)
        for piece, score in scores.items()
    }


def _train_wordpiece(texts: Texts, settings: TokenSettings, normalizer: Any) -> hf.Tokenizer:
    """Pieces by merging; words are cut at spaces only, so decoding restores punctuation.

    The library numbers the characters inside words in the order of a hash map.
    Here they are listed beforehand, but are no special tokens of the result:
    equal rows, equal vocabulary.
    """
    counts = count_characters(texts, normalizer)
    common = sorted(
        (-count, character)
        for character, count in counts.items()
        if count >= settings.min_frequency
    )
    alphabet = sorted(
        character for _, character in common[: (settings.vocabulary_size - len(SPECIAL)) // 2]
    )
    named = [*SPECIAL, *(PREFIX + character for character in alphabet)]
    trainer = trainers.WordPieceTrainer(
        min_frequency=settings.min_frequency,
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        continuing_subword_prefix=PREFIX,
        **_shared(settings) | {"special_tokens": named},
    )
    parts = (normalizer, pre_tokenizers.WhitespaceSplit(), decoders.WordPiece(PREFIX, False))
    trained = _assembled(
        models.WordPiece(unk_token=UNKNOWN, continuing_subword_prefix=PREFIX), *parts
    )
    trained.train_from_iterator(texts(), trainer)
    made = _assembled(
        models.WordPiece(trained.get_vocab(), unk_token=UNKNOWN, continuing_subword_prefix=PREFIX),
        *parts,
    )
    made.add_special_tokens(list(SPECIAL))
    return made


def count_characters(texts: Texts, normalizer: Any) -> Counter[str]:
    """Count each character of normalized texts, without spaces."""
    counts: Counter[str] = Counter()
    for batch in texts():
        counts.update("".join(map(normalizer.normalize_str, batch)))
    return Counter(
        {character: count for character, count in counts.items() if not character.isspace()}
    )

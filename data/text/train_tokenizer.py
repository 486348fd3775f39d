"""Tokenizers of each kind, trained on streams of texts by Hugging Face tokenizers."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import tokenizers as hf
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from data.text.settings import SPECIAL, UNK_ID, TokenSettings

Texts = Callable[
    [], Iterator[list[str]]
]  # batches of texts or of cut tokens, as often as they are asked for
UNKNOWN = SPECIAL[UNK_ID]
PREFIX = "##"  # of a WordPiece that goes on a word
ACCENTS, DIGIT = r"(?<=\P{Mn})\p{Mn}+", r"\p{Nd}"
FORMS: dict[str, Any] = {"NFC": normalizers.NFC, "NFKC": normalizers.NFKC}


def normaliser_steps(settings: TokenSettings) -> list[Any]:
    """What settings ask to be done to a text, in order; offsets still refer to the text as it came.

    A token never becomes empty, or its tag would have no id: so an accent that
    stands on nothing stays. HTML is read before (``data/text/html.py``).
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
    # A text that says <eos> must not put the name of a special id into a vocabulary.
    guard = normalizers.Replace(hf.Regex("<(?=(pad|unk|bos|eos)>)"), "< ")
    normaliser = normalizers.Sequence([*normaliser_steps(settings), guard])
    if kind in ("words", "characters"):
        return _train_words(kind, texts, settings, normaliser, is_cut=is_cut)
    return {"bpe": _train_bpe, "unigram": _train_unigram, "wordpiece": _train_wordpiece}[kind](
        texts, settings, normaliser
    )


def _assembled(model: Any, normaliser: Any, splitter: Any, decoder: Any) -> hf.Tokenizer:
    made = hf.Tokenizer(model)
    made.normalizer = normaliser
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
    kind: str, texts: Texts, settings: TokenSettings, normaliser: Any, *, is_cut: bool
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
        models.WordLevel(unk_token=UNKNOWN), normaliser, None if is_cut else splitter, decoder
    )
    made.train_from_iterator(
        texts(),
        trainers.WordLevelTrainer(min_frequency=settings.min_frequency, **_shared(settings)),
    )
    return made


def add_words(inner: hf.Tokenizer, words: Iterable[str], num: int, *, is_cut: bool) -> hf.Tokenizer:
    """Give ids, behind the others, to at most ``num`` more words, in their order.

    A word that normalisation would change or a splitter cut can never be met,
    and is passed over.
    """
    known = inner.get_vocab()

    def is_met(word: str) -> bool:
        if word in known or inner.normalizer.normalize_str(word) != word:
            return False
        return is_cut or [piece for piece, _ in inner.pre_tokenizer.pre_tokenize_str(word)] == [
            word
        ]

    new = islice(filter(is_met, dict.fromkeys(words)), num)
    made = hf.Tokenizer.from_str(inner.to_str())
    made.model = models.WordLevel(
        known | {word: len(known) + place for place, word in enumerate(new)}, unk_token=UNKNOWN
    )
    return made


def _train_bpe(texts: Texts, settings: TokenSettings, normaliser: Any) -> hf.Tokenizer:
    made = _assembled(
        models.BPE(unk_token=UNKNOWN), normaliser, pre_tokenizers.Metaspace(), decoders.Metaspace()
    )
    alphabet = settings.vocabulary_size - len(SPECIAL)
    trainer = trainers.BpeTrainer(
        min_frequency=settings.min_frequency, limit_alphabet=alphabet, **_shared(settings)
    )
    made.train_from_iterator(texts(), trainer)
    return made


def _train_unigram(texts: Texts, settings: TokenSettings, normaliser: Any) -> hf.Tokenizer:
    """Pieces by likelihood.

    The library refuses a vocabulary smaller than the alphabet. So it gets room
    for all characters; the rare ones are dropped and the likeliest pieces kept.
    """
    counts = count_characters(texts, normaliser)
    room = max(settings.vocabulary_size, len(counts) + len(SPECIAL) + 1)
    trainer = trainers.UnigramTrainer(unk_token=UNKNOWN, **_shared(settings) | {"vocab_size": room})
    made = _assembled(
        models.Unigram(), normaliser, pre_tokenizers.Metaspace(), decoders.Metaspace()
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
    """Scores of pieces that are the same whenever the rows are.

    The library adds floats in the order of its threads, and lines up the
    characters that are no piece of their own 0.0001 apart above the lowest
    score, in the order of a hash map. Here scores are rounded and those
    characters all have the lowest.
    """
    lowest = min(scores.values(), default=0.0)
    line_end = lowest + 1e-4 * (num_characters + 1)
    return {
        piece: round(lowest if len(piece) == 1 and score < line_end else score, 6)
        for piece, score in scores.items()
    }


def _train_wordpiece(texts: Texts, settings: TokenSettings, normaliser: Any) -> hf.Tokenizer:
    """Pieces by merging, words cut at spaces only, so that a decoded text has its punctuation where it was.

    The library numbers the characters that go on a word as it meets them, in
    the order of a hash map. They are named beforehand, and are no special
    tokens in what is returned: equal rows, equal vocabulary.
    """
    counts = count_characters(texts, normaliser)
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
    parts = (normaliser, pre_tokenizers.WhitespaceSplit(), decoders.WordPiece(PREFIX, False))
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


def count_characters(texts: Texts, normaliser: Any) -> Counter[str]:
    """Times each character stands in normalised texts, spaces left out."""
    counts: Counter[str] = Counter()
    for batch in texts():
        counts.update("".join(map(normaliser.normalize_str, batch)))
    return Counter(
        {character: count for character, count in counts.items() if not character.isspace()}
    )

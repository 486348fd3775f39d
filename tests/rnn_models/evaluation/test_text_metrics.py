"""BLEU by the tokenizer of a language: sacreBLEU's own scores, whatever the script."""

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU

from rnn_models.evaluation import text_metrics
from rnn_models.evaluation.metric import measure
from rnn_models.evaluation.metrics import find_metric
from rnn_models.evaluation.significance import compare
from rnn_models.evaluation.text_metrics import (
    TOKENIZERS,
    choose_tokenizer,
    is_installed,
    target_language,
)

pytestmark = pytest.mark.case("D13")
INSTALLED = [name for name in TOKENIZERS if is_installed(name)]
# Letters of a few scripts with and without spaces, and the separators of words.
LETTERS = "アカサ漢字文กขค가나lumoé 。、,. 5"
texts = st.lists(
    st.tuples(st.text(LETTERS, max_size=12), st.text(LETTERS, min_size=1, max_size=12)),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("tokenizer", INSTALLED)
@settings(max_examples=30)
@given(texts)
def test_bleu_equals_sacrebleu_with_every_tokenizer(tokenizer, pairs):
    logging.getLogger("sacrebleu").setLevel(logging.ERROR)  # it has opinions about random texts
    hypotheses, references = map(list, zip(*pairs, strict=True))
    metric = find_metric("bleu", tokenizer=tokenizer)
    expected = BLEU(tokenize=tokenizer).corpus_score(hypotheses, [references]).score
    assert float(
        metric.score(metric.statistics(hypotheses, references).sum(0)[None])[0]
    ) == pytest.approx(expected)


@pytest.mark.parametrize("tokenizer", INSTALLED)
def test_signature_names_the_tokenizer(tokenizer):
    metric = find_metric("bleu", tokenizer=tokenizer)
    assert f"tok:{tokenizer}" in measure(metric, metric.statistics(["アカ"], ["アカ"])).signature


@pytest.mark.parametrize("tokenizer", ["char", "zh"])
def test_texts_without_spaces_have_a_score_that_spaces_do_not_change(tokenizer):
    references = ["漢字文字文漢文字"] * 4
    hypotheses = ["漢字文字文漢字文"] * 4
    scores = []
    for apart in (False, True):
        sides = [
            [" ".join(text) if apart else text for text in side]
            for side in (hypotheses, references)
        ]
        metric = find_metric("bleu", tokenizer=tokenizer)
        scores.append(float(metric.score(metric.statistics(*sides).sum(0)[None])[0]))
    assert scores[0] == scores[1] > 50
    by_words = find_metric("bleu")
    assert float(by_words.score(by_words.statistics(hypotheses, references).sum(0)[None])[0]) == 0


def test_better_system_on_texts_without_spaces_is_significantly_better():
    references = ["漢字文字文漢文字"] * 40
    better = [text[:-1] + "漢" for text in references]
    worse = [text[:3] + "漢漢漢漢漢" for text in references]
    for tokenizer, is_better in (("char", True), ("13a", False)):
        metric = find_metric("bleu", tokenizer=tokenizer)
        found = compare(
            metric,
            metric.statistics(better, references),
            metric.statistics(worse, references),
            num_resamples=300,
        )
        assert (found.p_value < 0.05) == is_better


def test_chrf_has_no_tokenizer():
    metric = find_metric("chrf")
    other = find_metric("chrf", tokenizer="char")
    assert metric is other
    rows = (
        metric.statistics(["漢字 文字"], ["漢字文 字"]),
        metric.statistics(["漢字文字"], ["漢字文字"]),
    )
    assert np.array_equal(*rows)  # spaces do not count


@pytest.mark.parametrize(
    ("language", "target"),
    [
        ("en-ja", "ja"),
        ("en_ja", "ja"),
        ("en>ja", "ja"),
        ("en → ja", "ja"),
        ("EN-JA", "ja"),
        ("ja-en", "en"),
        ("zh", "zh"),
        ("en-zh-Hant", "zh"),
        ("en-zh-TW", "zh"),
        ("en-zh-Hant-TW", "zh"),
        ("en-US-ja-JP", "ja"),
        ("zh-CN", "zh"),
        ("pt-BR-th", "th"),
        ("es-419", "es"),
        ("eng-jpn", "jpn"),
        ("", ""),
    ],
)
def test_target_is_the_last_language_of_an_entry(language, target):
    assert target_language(language) == target


@pytest.mark.parametrize(
    ("language", "unspaced", "han", "expected"),
    [
        ("en-zh", 0.0, 0.0, "zh"),
        ("en-cmn-Hans", 0.9, 1.0, "zh"),
        ("en-th", 0.9, 0.0, "char"),
        ("fr-km", 0.9, 0.0, "char"),
        ("en-my", 0.9, 0.0, "char"),
        ("en-bo", 0.9, 0.0, "char"),
        ("en-lo", 0.9, 0.0, "char"),
        # Languages without a tokenizer of their own: the script decides.
        ("en-fr", 0.01, 1.0, "13a"),
        ("en-xx", 0.95, 1.0, "zh"),
        ("en-xx", 0.95, 0.3, "char"),
        ("", 0.6, 0.0, "char"),
        ("zh-en", 0.0, 0.0, "13a"),
        ("", 0.0, 0.0, "13a"),
    ],
)
def test_tokenizer_follows_the_language_else_the_script(language, unspaced, han, expected):
    assert choose_tokenizer(language, unspaced_share=unspaced, han_share=han) == expected


@pytest.mark.parametrize(
    ("language", "is_there", "expected"),
    [
        ("en-ja", True, "ja-mecab"),
        ("en-ja", False, "char"),
        ("en-ko", True, "ko-mecab"),
        ("en-ko", False, "13a"),
    ],
)
def test_tokenizer_without_its_dictionary_is_replaced_by_another(
    monkeypatch, language, is_there, expected
):
    monkeypatch.setattr(text_metrics, "is_installed", lambda tokenizer: is_there)
    assert choose_tokenizer(language, unspaced_share=0.9, han_share=0.5) == expected


def test_missing_tokenizer_raises_with_the_remedy(monkeypatch):
    with pytest.raises(
        ValueError, match="there is no tokenizer 'mecab' of BLEU: expected one of 13a, "
    ):
        find_metric("bleu", tokenizer="mecab")
    monkeypatch.setattr(
        text_metrics, "find_spec", lambda module: None if module == "ipadic" else module
    )
    text_metrics.bleu_metric.cache_clear()
    with pytest.raises(
        ValueError,
        match=r'ja-mecab needs MeCab and ipadic.*pip install "sacrebleu\[ja\]", or choose char',
    ):
        find_metric("bleu", tokenizer="ja-mecab")

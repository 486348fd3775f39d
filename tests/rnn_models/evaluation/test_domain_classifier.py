"""A classifier that tells new texts from reference texts."""

import numpy as np

from rnn_models.evaluation.domain_classifier import separate


def texts(num: int, first_id: int, seed: int) -> np.ndarray:
    """Texts of ten words each, of 50 kinds."""
    return np.random.default_rng(seed).integers(first_id, first_id + 50, 10 * num)


def separated(first_of_new: int, seed: int = 0) -> tuple[float, float]:
    ids = np.concatenate([texts(200, 0, seed), texts(200, first_of_new, seed + 1)])
    found = separate(ids, np.arange(0, 4001, 10), np.arange(400) >= 200, seed=seed)
    return found.auc, found.p_value


def test_texts_of_other_words_separate() -> None:
    auc, p_value = separated(25)
    assert auc > 0.9
    assert p_value < 1e-6


def test_texts_of_the_same_words_separate_by_chance_only() -> None:
    p_values = [separated(0, 10 * seed)[1] for seed in range(40)]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.15

"""How far distributions moved, against hand-made numbers, SciPy and chance."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from rnn_models.evaluation.distribution_shift import (
    Counts,
    compare_features,
    frequent_bins,
    jensen_shannon,
    quantile_bins,
    stability_index,
)
from rnn_models.evaluation.text_features import bag_of_ids

IS_NEW = np.arange(400) >= 200


def labels(shares_old: list[float], shares_new: list[float], seed: int = 0) -> Counts:
    """One label for each of 200 old and 200 new rows."""
    random = np.random.default_rng(seed)
    drawn = [random.choice(len(p), 200, p=p) for p in (shares_old, shares_new)]
    return bag_of_ids(np.concatenate(drawn), np.arange(401), len(shares_old))


def test_the_stability_index_is_that_of_its_formula() -> None:
    old, new = np.array([0.5, 0.5]), np.array([0.7, 0.3])
    assert stability_index(old, new) == pytest.approx(0.2 * np.log(1.4) - 0.2 * np.log(0.6))


def test_the_jensen_shannon_distance_is_that_of_scipy() -> None:
    old, new = np.array([0.1, 0.2, 0.7]), np.array([0.3, 0.3, 0.4])
    assert jensen_shannon(old, new) == pytest.approx(jensenshannon(old, new, base=2))


def test_moved_labels_are_beyond_chance_and_the_rest_is_not() -> None:
    features = {"moved": labels([0.5, 0.5], [0.7, 0.3]), "same": labels([0.5, 0.5], [0.5, 0.5], 1)}
    moved, same = compare_features(features, IS_NEW)
    assert moved.p_value < 0.01
    assert moved.psi > 0.1 > moved.psi_by_chance
    assert moved.distance > moved.distance_by_chance
    assert same.p_value > 0.05


def test_equal_samples_are_beyond_chance_no_more_often_than_the_level() -> None:
    p_values = [
        compare_features(
            {"same": labels([0.2] * 5, [0.2] * 5, seed)}, IS_NEW, num_permutations=99, seed=seed
        )[0].p_value
        for seed in range(200)
    ]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.09  # 5 % and twice its standard error


def test_equal_rows_of_many_equal_tokens_are_no_drift() -> None:
    """Tokens of a row are alike: only a permutation of rows knows how few rows there are."""
    random = np.random.default_rng(0)
    p_values = []
    for seed in range(100):
        ids = np.repeat(random.choice(3, 40), 50)
        found = compare_features(
            {"words": bag_of_ids(ids, np.arange(0, 2001, 50), 3)},
            np.arange(40) >= 20,
            num_permutations=99,
            seed=seed,
        )
        p_values.append(found[0].p_value)
    assert np.mean(np.array(p_values) <= 0.05) <= 0.1


def test_bins_keep_the_most_frequent_ids_and_count_the_rest_together() -> None:
    counts = bag_of_ids(np.array([0, 1, 1, 2, 2, 2, 3]), np.array([0, 3, 7]), 4)
    assert frequent_bins(counts, 2).toarray().tolist() == [[2, 0, 1], [0, 3, 1]]


def test_ids_that_each_row_has_alone_are_no_bins_whatever_the_order_of_rows() -> None:
    ids = np.stack([np.arange(400) + 1, np.zeros(400, dtype=np.int64)], axis=1).ravel()
    counts = frequent_bins(bag_of_ids(ids, np.arange(0, 801, 2), 401), 200)
    assert counts.shape == (400, 2)
    assert compare_features({"words": counts}, IS_NEW)[0].distance < 1e-6


def test_values_fall_into_bins_of_about_equal_size() -> None:
    sizes = quantile_bins(np.arange(1000.0)).sum(0)
    assert sizes.tolist() == [[100.0] * 10]


def test_values_that_are_all_equal_make_one_bin_or_two() -> None:
    assert quantile_bins(np.ones(50)).shape[1] <= 2

"""Which features of rows count as drifted."""

import numpy as np
import pyarrow as pa
import pytest

from tasks.monitoring.drift_measures import Measure, Samples, judged, measure_drift
from tasks.monitoring.monitor_settings import MonitorSettings, parse_monitor_settings

WORDS = np.array([f"w{i}" for i in range(60)])


def rows(num: int, seed: int, length: int = 8, share: float = 0.5) -> pa.Table:
    random = np.random.default_rng(seed)
    return pa.table(
        {
            "text": [
                " ".join(random.choice(WORDS, random.integers(length // 2, length + 1)))
                for _ in range(num)
            ],
            "label": np.where(random.random(num) < share, "pos", "neg"),
        }
    )


def drifted(new: pa.Table) -> set[str]:
    samples = Samples(rows(300, 1), new, rows(300, 2))
    return {
        each.name for each in judged(measure_drift(samples), MonitorSettings()) if each.is_drifted
    }


def test_rows_like_the_others_do_not_drift() -> None:
    assert drifted(rows(300, 3)) == set()


def test_longer_rows_drift_in_length_and_not_in_words() -> None:
    found = drifted(rows(300, 3, length=12))
    assert "length" in found
    assert not {"words", "characters", "unknown words", "label"} & found


def test_another_share_of_labels_drifts() -> None:
    assert drifted(rows(300, 3, share=0.8)) == {"label"}


def test_rows_of_unknown_words_drift_in_words_and_for_the_classifier() -> None:
    new = rows(300, 3)
    texts = [text.replace("w1", "q1") for text in new["text"].to_pylist()]
    found = drifted(new.set_column(0, "text", pa.array(texts)))
    assert {"words", "unknown words", "classifier"} <= found


def test_tokens_and_tags_are_compared_too() -> None:
    tokens = [["ta", "Kalo"], ["Ursa"], ["lumo", "da", "mi"]] * 100
    tags = [["O", "B-PER"], ["B-LOC"], ["O", "O", "O"]] * 100
    table = pa.table({"tokens": tokens, "tags": tags})
    names = [each.name for each in measure_drift(Samples(table, table, table))]
    assert names == ["length", "words", "characters", "unknown words", "tags", "classifier"]


def test_drift_needs_both_more_than_chance_and_the_smallest_size() -> None:
    def measure(value: float, p_value: float) -> Measure:
        return Measure(name="length", kind="psi", value=value, by_chance=0.05, p_value=p_value)

    cases = [measure(0.2, 0.001), measure(0.05, 0.001), measure(0.2, 0.2)]
    assert [judged([each], MonitorSettings())[0].is_drifted for each in cases] == [
        True,
        False,
        False,
    ]


def test_p_values_are_corrected_for_the_number_of_measures() -> None:
    ten = [
        Measure(name=str(i), kind="psi", value=1.0, by_chance=0.1, p_value=0.01) for i in range(10)
    ]
    assert not any(each.is_drifted for each in judged(ten, MonitorSettings()))


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("min_psy=0.2", "no setting 'min_psy'.*min_psi"),
        ("min_psi=-1", "min_psi must be at least 0"),
        ("min_psi", "NAME=VALUE"),
    ],
)
def test_a_wrong_setting_is_named(assignment: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_monitor_settings([assignment])

"""Which settings the code of a problem reads."""

from dataclasses import fields

import pytest

from rnn_models.problem import problem_names
from rnn_models.settings import TrainSettings
from tasks.store.used_settings import used_settings

ALWAYS = {"hidden_size", "learning_rate", "clip_norm", "momentum", "max_epochs", "seed", "encoder"}
OWN = {
    "sentiment": ({"pooling"}, {"beam_width", "tag_scheme", "temperature"}),
    "ner": ({"tag_scheme", "char_encoder", "pair_size"}, {"pooling", "beam_width"}),
    "translation": ({"beam_width", "attention", "input_feeding"}, {"tag_scheme", "pooling"}),
    "generation": ({"temperature", "top_k", "label_dropout"}, {"beam_width", "tag_scheme"}),
    "regression": ({"pooling"}, {"beam_width", "tag_scheme", "temperature"}),
}


@pytest.mark.parametrize("problem", OWN)
def test_a_problem_reads_its_own_settings_and_not_those_of_others(problem: str) -> None:
    found = used_settings(problem)
    own, others = OWN[problem]
    assert (ALWAYS | own) - found == set()
    assert others & found == set()


def test_every_setting_is_read_by_some_problem() -> None:
    found = set[str]().union(*map(used_settings, problem_names()))
    assert {declared.name for declared in fields(TrainSettings)} - found == set()

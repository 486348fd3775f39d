"""The main job: which datasets ``refrain run`` retrains when none is named, and how."""

import pytest

from data.catalog.catalog import read_catalog
from refrain.main_job import main_job
from tasks.settings import parse_settings


def test_main_job_has_three_problems_in_order() -> None:
    catalog = read_catalog()
    problems = {name: catalog[name].problem for name in main_job()}
    assert list(problems.items()) == [
        ("rotten_tomatoes", "sentiment"),
        ("msra", "ner"),
        ("tatoeba_en_fr", "translation"),
    ]


@pytest.mark.parametrize("name", main_job())
def test_settings_of_the_main_job_are_valid(name: str) -> None:
    settings = parse_settings([], main_job()[name])
    changed = main_job()[name].get("training", {})
    assert {key: getattr(settings.training, key) for key in changed} == changed


def test_assignment_overrides_the_main_job() -> None:
    settings = parse_settings(["training.max_epochs=7"], main_job()["msra"])
    assert settings.training.max_epochs == 7
    assert settings.training.hidden_size == 100

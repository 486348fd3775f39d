"""What the figure of a training shows."""

import pytest

from rnn_models.problem import find_problem
from rnn_models.settings import TrainSettings
from rnn_models.training.history import Epoch, TrainingHistory, TrainingStep
from tasks.figures.style import figure_style
from tasks.figures.training import MOST_POINTS, spans, training_figure
from tasks.pages.training import clipping_words


def step_of(number: int, allowed: float = 5.0) -> TrainingStep:
    return TrainingStep(1, number, 1.0, 3.0, number == 0, 0.1, 9.0, allowed)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"clip_norm": 2.5}, "norm 2.5"),
        ({"clipping": "value"}, "value 1"),
        ({"clipping": "adaptive"}, "percentile 10 of the norms so far"),
        ({"clipping": "none"}, "nothing"),
    ],
)
def test_it_shows_threshold_clipped_steps_scores_and_the_chosen_epoch(
    changes: dict[str, object], words: str
) -> None:
    settings = TrainSettings().with_changes(changes)
    assert clipping_words(settings) == words
    allowed = settings.clip_norm if settings.clipping == "norm" else float("inf")
    steps = [step_of(number, allowed) for number in range(4)]
    epoch = Epoch(1, 3, 1.0, 1.0, 0.25, 1.0, validation_score=85.3)
    with figure_style():
        figure = training_figure(
            TrainingHistory(steps=steps, epochs=[epoch]), settings, find_problem("ner")
        )
    legends = [[text.get_text() for text in ax.get_legend().get_texts()] for ax in figure.axes]
    threshold = [f"threshold: {words}"] if settings.clipping == "norm" else []
    assert legends == [
        ["train", "validation", "chosen epoch, 1"],
        ["validation", "chosen epoch, 1"],
        ["clipped, 25% of steps", *threshold],
    ]
    assert figure.axes[1].get_lines()[0].get_ydata().tolist() == [85.3]


def test_a_long_training_is_drawn_with_few_points() -> None:
    parts = spans([step_of(number) for number in range(2500)])
    assert len(parts) <= MOST_POINTS
    assert [step.step for part in parts for step in part] == list(range(2500))

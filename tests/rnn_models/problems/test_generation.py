"""A generator's starts, windows with a carried state, exact scores and continuations."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnn_models.batching.batch import BOS_ID, EOS_ID, Examples, Ragged
from rnn_models.checkpoints.checkpoint import load_weights
from rnn_models.problem import Sizes, find_problem
from rnn_models.problems.generation import cut, predict, start_ids, token_nats, window_loss
from rnn_models.training.loop import fit
from rnn_models.training.validation import headline_score, mean_loss
from tests.rnn_models.conftest import TINY
from tests.rnn_models.layers.test_encoder import EVERY_CELL

PROBLEM = find_problem("generation")
SIZES = Sizes(source=3, target=12, labels=("no", "so", "yes"))
SETTINGS = replace(TINY, bidirectional=False, tied_embeddings="none", label_smoothing=0.0)
LONG = {"embedding_size": 10, "hidden_size": 16, "num_layers": 2, "label_dropout": 0.0}


def built(**changes):
    torch.manual_seed(4)
    model = PROBLEM.build(SIZES, SETTINGS.with_changes(changes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def texts(*lengths, labels=None):
    random = np.random.default_rng(1)
    rows = [random.integers(4, 12, length).tolist() for length in lengths]
    return Examples(Ragged.of(labels or [[]] * len(lengths)), Ragged.of(rows))


def alone(model, start, text):
    """Nats of each token of one text and of its end, computed step by step."""
    state = ()
    costs = []
    with torch.inference_mode():
        for token, target in zip([start, *text], [*text, EOS_ID], strict=True):
            states, state = model(torch.tensor([[token]]), state)
            costs.append(float(-model.project(states)[0, 0].log_softmax(0)[target]))
    return costs


def test_text_starts_from_its_label_or_from_nothing():
    source = torch.tensor([[2], [0], [-1], [0]])
    assert start_ids(source, torch.tensor([1, 1, 1, 0])).tolist() == [-3, -1, BOS_ID, BOS_ID]


@EVERY_CELL
@pytest.mark.parametrize("tied", ["none", "target"])
def test_token_costs_equal_step_by_step_reading(kind, activation, tied):
    model = built(encoder=kind, activation=activation, tied_embeddings=tied, num_layers=2)
    examples = texts(9, 0, 30, 4, labels=[[1], [], [2], [-1]])
    found = token_nats(model, examples)
    for i, start in enumerate((-2, BOS_ID, -3, BOS_ID)):
        assert found[i] == pytest.approx(
            alone(model, start, examples.target.row(i)), rel=1e-4, abs=1e-4
        )


@given(st.lists(st.integers(0, 40), min_size=1, max_size=5), st.integers(1, 9))
def test_joined_texts_cost_the_same_as_one_text_with_ends_within_it(lengths, at_once):
    model = built(joined_texts=True)
    examples = texts(*lengths)
    rows = [examples.target.row(i) for i in range(len(lengths))]
    expected = [token for row in rows for token in (*row, EOS_ID)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rnn_models.problems.generation.MAX_STEPS", at_once)
        found = token_nats(model, examples)
    assert [len(costs) for costs in found] == [length + 1 for length in lengths]
    assert np.concatenate(found) == pytest.approx(
        alone(model, BOS_ID, expected[:-1]), rel=1e-4, abs=1e-4
    )


def test_long_text_is_scored_in_parts_with_carried_state(monkeypatch):
    model = built()
    examples = texts(50, 3, 21)
    expected = token_nats(model, examples)
    monkeypatch.setattr("rnn_models.problems.generation.MAX_STEPS", 7)
    for a, b in zip(token_nats(model, examples), expected, strict=True):
        assert a == pytest.approx(b, rel=1e-4)


@EVERY_CELL
def test_scores_equal_the_loss_of_whole_texts(kind, activation):
    model = built(encoder=kind, activation=activation)
    examples = texts(12, 5, 8, labels=[[0], [], [2]])
    costs = np.concatenate(token_nats(model, examples))
    assert costs.mean() == pytest.approx(mean_loss(PROBLEM, model, examples, SETTINGS), rel=1e-5)


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=6),
    st.integers(1, 4),
    st.integers(1, 9),
    st.integers(1, 3),
)
def test_windows_predict_each_token_once_and_start_texts_from_their_label(
    lengths, size, window, epoch
):
    labels = [[[0], [], [2], [-1]][i % 4] for i in range(len(lengths))]
    examples = texts(*lengths, labels=labels)
    seen = {i: [] for i in range(len(lengths))}
    starts = dict(enumerate(start_ids(*examples.source.take(np.arange(len(lengths)))).tolist()))
    begun = []
    for piece in cut(
        examples, SETTINGS.with_changes({"batch_size": size, "bptt_window": window}), epoch
    ):
        for b, owner in enumerate(piece.indices.tolist()):
            num = int(piece.lengths[b])
            seen[owner] += [] if num == 0 else piece.targets[b, :num].tolist()
            if num and int(piece.inputs[b, 0]) in (-1, -3, BOS_ID):
                assert piece.is_start[b]
                assert int(piece.inputs[b, 0]) == starts[owner]
                begun.append(owner)
    assert sorted(begun) == list(range(len(lengths)))
    assert sum(map(len, seen.values())) == sum(lengths) + len(lengths)
    assert {i: sorted(tokens) for i, tokens in seen.items()} == {
        i: sorted([*examples.target.row(i), EOS_ID]) for i in range(len(lengths))
    }


def test_loss_in_windows_equals_that_of_the_whole_texts():
    model = built()
    examples = texts(23, 9, 14, labels=[[1], [], [0]])
    expected = mean_loss(PROBLEM, model, examples, SETTINGS)
    for window in (1, 5, 99):
        changed = SETTINGS.with_changes({"bptt_window": window, "batch_size": 1})
        assert mean_loss(PROBLEM, model, examples, changed) == pytest.approx(expected, rel=1e-5)


def test_window_continues_the_previous_state_without_its_gradient():
    model = built()
    pieces = cut(texts(20), SETTINGS.with_changes({"bptt_window": 4, "batch_size": 1}), 0)
    read = pieces[0].inputs.clone()
    first, state = window_loss(model, pieces[0], ())
    second, _ = window_loss(model, pieces[1], state)
    second.nats.backward()
    own = model.labels.weight.grad
    assert own is None or not own.any()
    assert torch.equal(pieces[0].inputs, read)
    fresh, _ = window_loss(model, pieces[1], ())
    assert float(fresh.nats.detach()) != float(second.nats.detach())
    assert float(first.nats.detach()) > 0


def fitted(examples, **changes):
    keen = {
        "max_epochs": 40,
        "patience": 40,
        "dropout": 0.0,
        "token_dropout": 0.0,
        "learning_rate": 0.02,
        "batch_size": 4,
        **LONG,
    }
    settings = SETTINGS.with_changes(keen | changes)
    model = PROBLEM.build(SIZES, settings)
    load_weights(model, fit(PROBLEM, examples, examples, SIZES, settings).weights)
    return model.eval()


@pytest.mark.parametrize("window", [0, 5])
def test_text_after_a_label_is_learned_and_generated(window):
    songs = {0: [4, 5, 6, 7, 9, 5, 8], 1: [8, 8, 9, 4, 4, 4], 2: [11, 10]}
    rows = [(k, songs[k]) for k in (0, 1, 2)] * 20
    examples = Examples(Ragged.of([[k] for k, _ in rows]), Ragged.of([song for _, song in rows]))
    model = fitted(examples, bptt_window=window, temperature=0.0, batch_size=12)
    requests = Examples(Ragged.of([[2], [0], [1]]), Ragged.of([[], [], []]))
    assert [output.ids for output in predict(model, requests.batch(np.arange(3)))] == [
        songs[2],
        songs[0],
        songs[1],
    ]
    begun = Examples(Ragged.of([[1]]), Ragged.of([songs[1][:3]]))
    assert predict(model, begun.batch(np.arange(1)))[0].ids == songs[1][3:]


def test_label_dropout_allows_texts_without_a_label():
    songs = [[4, 5, 6, 7], [8, 9, 10, 11]]
    examples = Examples(Ragged.of([[0], [1]] * 30), Ragged.of(songs * 30))
    nothing = Examples(Ragged.of([[], []]), Ragged.of(songs))
    always, at_times = (
        np.mean(
            [
                costs.sum()
                for costs in token_nats(
                    fitted(examples, label_dropout=share, batch_size=12), nothing
                )
            ]
        )
        for share in (0.0, 0.3)
    )
    assert at_times == pytest.approx(math.log(2), abs=0.1)  # one of two songs, all else is sure
    assert always > at_times + 0.1


def test_running_text_continues_over_its_lines():
    """Lines that repeat 4, 5, 6, so that the order alone determines the next one."""
    lines = [[4 + i % 3] * 2 for i in range(60)]
    examples = Examples(Ragged.of([[]] * 60), Ragged.of(lines))
    joined = fitted(examples, joined_texts=True, bptt_window=6, temperature=0.0, sample_length=8)
    apart = fitted(examples, bptt_window=6)
    assert (
        np.concatenate(token_nats(joined, examples)).mean()
        < 0.1
        < np.concatenate(token_nats(apart, examples)).mean()
    )
    begun = Examples(Ragged.of([[]]), Ragged.of([[5, 5, EOS_ID, 6]]))
    assert predict(joined, begun.batch(np.arange(1)))[0].ids == [
        6,
        EOS_ID,
        4,
        4,
        EOS_ID,
        5,
        5,
        EOS_ID,
    ]


def test_text_of_length_one_is_one_to_one():
    examples = Examples(Ragged.of([[0], [1], [2]] * 4), Ragged.of([[7], [4], [9]] * 4))
    model = fitted(examples, bptt_window=1, temperature=0.0, sample_length=1)
    requests = Examples(Ragged.of([[2], [0], [1]]), Ragged.of([[], [], []]))
    assert [output.ids for output in predict(model, requests.batch(np.arange(3)))] == [
        [9],
        [7],
        [4],
    ]


@pytest.mark.case("B7")
def test_score_of_an_epoch_is_bits_per_token_without_a_second_pass():
    model = built()
    examples = texts(12, 7)
    nats = np.concatenate(token_nats(model, examples)).mean()
    loss = mean_loss(PROBLEM, model, examples, SETTINGS)
    assert headline_score(PROBLEM, model, examples, SIZES, loss=loss) == pytest.approx(
        nats / math.log(2), rel=1e-5
    )


@pytest.mark.case("B7")
@pytest.mark.parametrize("stop_on", ["metric", "loss"])
def test_epoch_with_the_fewest_bits_is_selected(stop_on):
    settings = SETTINGS.with_changes({"stop_on": stop_on, "max_epochs": 6, "learning_rate": 0.05})
    history = fit(PROBLEM, texts(9, 5, 7), texts(6, 8), SIZES, settings)
    scores = [epoch.validation_score for epoch in history.epochs]
    assert history.best.validation_score == min(scores) > 0
    assert history.best.validation_loss == min(epoch.validation_loss for epoch in history.epochs)


def test_generator_is_unidirectional_for_any_setting():
    model = built(bidirectional=True)
    read = torch.randint(4, 12, (2, 6))
    changed = torch.cat([read[:, :4], torch.full((2, 2), 5)], dim=1)
    torch.testing.assert_close(model(read, ())[0][:, :4], model(changed, ())[0][:, :4])


def test_generator_returns_one_logit_per_step_and_id():
    states, after = built(num_layers=2)(torch.randint(4, 12, (3, 7)), ())
    assert (states.shape, built(num_layers=2).project(states).shape) == ((3, 7, 12), (3, 7, 12))
    assert [s.shape for s in after] == [(3, 12)] * 4


@pytest.mark.parametrize(
    ("roles", "sides"),
    [
        (("text", "label"), ("label", "text")),
        (("text",), ("text",)),
        (("label",), ()),
        (("tokens", "tags"), ()),
        (("source", "target"), ()),
    ],
)
def test_sides_of_rows_are_source_then_target_and_the_source_is_optional(roles, sides):
    assert PROBLEM.sides(roles) == sides


def test_problem_that_needs_a_source_raises_without_one():
    sentiment = find_problem("sentiment")
    assert (
        sentiment.sides(("text", "label")),
        sentiment.sides(("text",)),
        sentiment.sides(("label",)),
    ) == (
        ("text", "label"),
        (),
        (),
    )

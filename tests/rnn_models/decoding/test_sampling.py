"""Sampling: the expected ids, at their probabilities, with the costs of teacher forcing."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnn_models.batching.batch import BOS_ID, EOS_ID, PAD_ID, UNK_ID
from rnn_models.decoding.sampling import Sampling, draw, probabilities_of, run_prompts, sample
from rnn_models.problems.generation import LanguageModel
from rnn_models.settings import TrainSettings
from tests.rnn_models.layers.test_encoder import EVERY_CELL
from tests.rnn_models.tiny_language_model import SETTINGS, SIZES

logit_rows = st.lists(st.floats(-6, 6, width=32), min_size=1, max_size=12).map(
    lambda row: torch.tensor([row])
)
# 6 ids can be predicted: 4 to 8, and <eos>.
SMALL = Sampling(max_length=3, seed=5)


def make_model(noise=0.4, **changes):
    torch.manual_seed(2)
    model = LanguageModel(SIZES, SETTINGS.with_changes(changes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(noise * torch.randn_like(parameter))
    return model


@torch.inference_mode()
def drawn(model, num, sampling, prompt=()):
    """Texts sampled in parallel after a prompt."""
    read = torch.tensor([[BOS_ID, *prompt]] * num)
    logits, state = run_prompts(model, read, torch.full((num,), read.shape[1]))
    return sample(step_of(model), logits, state, sampling, np.arange(num))


def step_of(model):
    def step(previous, state):
        states, after = model(previous[:, None], state)
        return model.project(states[:, 0]), after

    return step


@torch.inference_mode()
def forced(model, ids, *, is_ended, prompt=()):
    """Log probability of a text under teacher forcing, in one forward pass."""
    targets = [*ids, EOS_ID] if is_ended else ids
    inputs = torch.tensor([[BOS_ID, *prompt, *targets[:-1]]])
    log_probabilities = model.project(model(inputs, ())[0])[0].log_softmax(1)
    return sum(float(log_probabilities[len(prompt) + i, token]) for i, token in enumerate(targets))


@given(logit_rows, st.integers(1, 14))
def test_top_k_keeps_the_k_most_likely_ids_and_their_proportions(logits, k):
    found = probabilities_of(logits, Sampling(top_k=k))[0]
    probabilities = logits.double().softmax(1)[0]
    kept = found > 0
    assert int(kept.sum()) == min(k, len(probabilities))
    assert (
        float(probabilities[kept].min()) >= float(probabilities[~kept].max())
        if bool((~kept).any())
        else True
    )
    torch.testing.assert_close(found[kept], probabilities[kept] / probabilities[kept].sum())


@given(logit_rows, st.floats(0, 1))
def test_top_p_keeps_the_fewest_most_likely_ids_that_reach_p(logits, p):
    found = probabilities_of(logits, Sampling(top_p=p))[0]
    probabilities = logits.double().softmax(1)[0]
    ordered = sorted(probabilities.tolist(), reverse=True)
    needed = next(
        (n for n in range(1, len(ordered)) if sum(ordered[:n]) >= p - 1e-12), len(ordered)
    )
    num = int((found > 0).sum())
    assert num == needed or math.isclose(sum(ordered[: min(num, needed)]), p, abs_tol=1e-9)
    assert sorted(probabilities[found > 0].tolist(), reverse=True) == ordered[:num]
    assert float(found.sum()) == pytest.approx(1)


def test_top_p_applies_to_what_top_k_kept():
    logits = torch.tensor([[0.4, 0.3, 0.2, 0.1]]).log()
    found = probabilities_of(
        logits, Sampling(top_k=3, top_p=0.5)
    )  # of 0.4, 0.3, 0.2 the first is 0.44
    torch.testing.assert_close(found, torch.tensor([[4 / 7, 3 / 7, 0, 0]], dtype=torch.float64))


@given(logit_rows)
def test_zero_temperature_takes_the_most_likely_and_high_temperature_is_uniform(logits):
    zero = probabilities_of(logits, Sampling(temperature=0.0))
    assert zero.tolist() == [[float(i == int(logits.argmax())) for i in range(logits.shape[1])]]
    hot = probabilities_of(logits, Sampling(temperature=1e9))
    torch.testing.assert_close(hot, torch.full_like(hot, 1 / logits.shape[1]), rtol=1e-6, atol=0)
    torch.testing.assert_close(probabilities_of(logits, Sampling()), logits.double().softmax(1))


def test_lower_temperature_approaches_the_most_likely():
    logits = torch.tensor([[1.0, 2.0, 0.5]])
    shares = [
        float(probabilities_of(logits, Sampling(temperature=t))[0, 1])
        for t in (2.0, 1.0, 0.5, 0.1, 0.01)
    ]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)


@given(
    st.lists(st.sampled_from([0.0, 0.0, 0.1, 0.5, 1e-9]), min_size=1, max_size=9),
    st.floats(0, 1, exclude_max=True),
)
def test_id_with_zero_probability_is_never_sampled(weights, chance):
    row = torch.tensor([[*weights, 0.2, 0.0]], dtype=torch.float64)
    assert float(row[0, draw(row, torch.tensor([chance], dtype=torch.float64))]) > 0


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"temperature": 0.6},
        {"top_k": 3},
        {"top_p": 0.7},
        {"temperature": 1.5, "top_k": 4, "top_p": 0.8},
    ],
)
def test_texts_are_sampled_with_their_enumerated_probability(changes):
    """All texts of up to 3 ids and their filtered probabilities, against 20,000 draws."""
    model = make_model()
    sampling = Sampling(max_length=3, seed=5, **changes)
    num = 20_000
    expected: dict[tuple[int, ...], float] = {}

    @torch.inference_mode()
    def spread(beginning, probability):
        if len(beginning) == 3 or EOS_ID in beginning:
            expected[beginning] = probability
            return
        logits = model.project(model(torch.tensor([[BOS_ID, *beginning]]), ())[0])[:, -1]
        logits[:, [PAD_ID, BOS_ID, UNK_ID]] = float("-inf")
        for token, share in enumerate(probabilities_of(logits, sampling)[0].tolist()):
            if share:
                spread((*beginning, token), probability * share)

    spread((), 1.0)
    assert sum(expected.values()) == pytest.approx(1)
    found = Counter((*text.ids, *[EOS_ID] * text.is_ended) for text in drawn(model, num, sampling))
    assert set(found) <= set(expected)
    # Pearson's statistic over texts that are expected five times or more, the rest taken together.
    frequent = {text: p * num for text, p in expected.items() if p * num >= 5}
    rest = num - sum(frequent.values())
    pairs = [(found[text], times) for text, times in frequent.items()]
    pairs += [(num - sum(found[text] for text in frequent), rest)] if rest >= 5 else []
    statistic = sum((seen - times) ** 2 / times for seen, times in pairs)
    degrees = len(pairs) - 1
    assert statistic < degrees + 4 * math.sqrt(
        2 * degrees
    )  # mean and deviation of chi-square; 4 of them are one in thousands


@EVERY_CELL
@pytest.mark.parametrize(
    "sampling",
    [Sampling(max_length=9), Sampling(max_length=9, temperature=0.4, top_k=3)],
    ids=["plain", "filtered"],
)
def test_cost_of_a_sampled_text_equals_teacher_forcing(kind, activation, sampling):
    model = make_model(0.1, encoder=kind, activation=activation, num_layers=2)
    with torch.no_grad():
        model.bias[EOS_ID] = (
            model.project(model(torch.tensor([[BOS_ID]]), ())[0]).max() + 0.5
        )  # some end soon
    texts = drawn(model, 40, sampling, prompt=(5, 4, 8))
    for text in texts:
        assert -text.loss == pytest.approx(
            forced(model, text.ids, is_ended=text.is_ended, prompt=(5, 4, 8)), abs=1e-4
        )


def test_sampled_text_stops_at_its_end_or_the_maximum_length():
    texts = drawn(make_model(), 60, Sampling(max_length=7))
    assert {text.is_ended for text in texts} == {True, False}
    for text in texts:
        assert EOS_ID not in text.ids
        assert text.is_ended or len(text.ids) == 7
        assert not {PAD_ID, BOS_ID, UNK_ID} & set(text.ids)


def test_running_text_continues_after_line_ends():
    texts = drawn(make_model(), 20, Sampling(max_length=30, is_endless=True))
    assert all(len(text.ids) == 30 and not text.is_ended for text in texts)
    assert any(EOS_ID in text.ids for text in texts)


def test_sample_depends_on_seed_and_text_number_only():
    model = make_model()
    together = drawn(model, 6, SMALL)
    assert drawn(model, 6, SMALL) == together
    assert [t.ids for t in drawn(model, 3, SMALL)] == [t.ids for t in together[:3]]
    assert drawn(model, 6, Sampling(max_length=3, seed=6)) != together


def test_sampled_text_of_maximum_length_one_has_at_most_one_id():
    assert {len(text.ids) for text in drawn(make_model(), 40, Sampling(max_length=1))} == {0, 1}


def test_each_step_reads_one_id_of_unfinished_texts():
    model = make_model()
    shapes = []
    step = step_of(model)

    def watched(previous, state):
        shapes.append((previous.shape[0], state[0].shape[0]))
        return step(previous, state)

    with torch.inference_mode():
        logits, state = run_prompts(
            model, torch.full((30, 1), BOS_ID), torch.ones(30, dtype=torch.int64)
        )
        texts = sample(watched, logits, state, Sampling(max_length=8), np.arange(30))
    alive = [sum(len(text.ids) > length for text in texts) for length in range(7)]
    assert shapes == [(num, num) for num in alive if num]


@EVERY_CELL
@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=6))
def test_prompts_of_different_lengths_equal_each_alone(kind, activation, lengths):
    model = make_model(encoder=kind, activation=activation, num_layers=2)
    random = np.random.default_rng(sum(lengths))
    rows = [[BOS_ID, *random.integers(4, 10, length - 1).tolist()] for length in lengths]
    read = torch.full((len(rows), max(lengths)), PAD_ID)
    for i, row in enumerate(rows):
        read[i, : len(row)] = torch.tensor(row)
    with torch.inference_mode():
        logits, state = run_prompts(model, read, torch.tensor(lengths))
        for i, row in enumerate(rows):
            states, after = model(torch.tensor([row]), ())
            torch.testing.assert_close(
                logits[i : i + 1], model.project(states[:, -1]), rtol=1e-4, atol=1e-5
            )
            torch.testing.assert_close(
                tuple(s[i : i + 1] for s in state), after, rtol=1e-4, atol=1e-5
            )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": -0.1}, "temperature must be at least 0, got -0.1"),
        ({"top_p": 1.5}, "top_p must be at most 1, got 1.5"),
        ({"top_k": -1}, "top_k must be at least 0, got -1"),
        ({"max_length": 0}, "max_length must be at least 1, got 0"),
    ],
)
def test_invalid_sampling_settings_raise(changes, message):
    with pytest.raises(ValueError, match=message):
        Sampling(**changes)


def test_model_samples_with_its_settings():
    settings = TrainSettings(
        temperature=0.5, top_k=7, top_p=0.9, sample_length=12, joined_texts=True, seed=4
    )
    expected = Sampling(temperature=0.5, top_k=7, top_p=0.9, max_length=12, is_endless=True, seed=4)
    assert Sampling.of(settings) == expected

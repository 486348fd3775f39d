"""The contract of every problem, and the specifics of each."""

from itertools import pairwise
from typing import get_args

import pytest
import torch

from rnn_models.batching.batch import BOS_ID, EOS_ID, PAD_ID, length_mask, shifted
from rnn_models.evaluation.baselines import find_baseline
from rnn_models.evaluation.metrics import find_metric
from rnn_models.layers.pooled_encoder import pool
from rnn_models.layers.tag_schemes import tag_steps
from rnn_models.problem import find_problem, problem_names
from rnn_models.settings import Encoder

SHAPES = pytest.mark.parametrize("num_layers", [1, 2])
CELLS = pytest.mark.parametrize("encoder", get_args(Encoder))


def test_problem_is_found_by_its_name(posed):
    assert find_problem(posed.problem.name) is posed.problem


def test_metrics_and_baselines_of_every_problem_exist(posed):
    problem = posed.problem
    assert [find_metric(name).name for name in problem.metrics] == list(problem.metrics) != []
    found = [find_baseline(name).name for name in problem.baselines]
    assert found == list(problem.baselines) != []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sentimant", "there is no problem 'sentimant': did you mean sentiment?"),
        ("xyz", "expected one of generation, ner"),
    ],
)
def test_unknown_problem_raises_with_the_nearest_names(name, message):
    with pytest.raises(ValueError, match=message):
        find_problem(name)


@SHAPES
@CELLS
def test_padding_does_not_change_logits(posed, encoder, num_layers):
    model = posed.model(encoder=encoder, num_layers=num_layers)
    lone = []
    for i in range(len(posed.examples)):
        lone += posed.real_logits(model, posed.batch([i]))
    torch.testing.assert_close(posed.real_logits(model, posed.batch()), lone, rtol=1e-5, atol=1e-5)


@SHAPES
@CELLS
def test_padding_does_not_change_outputs(posed, encoder, num_layers):
    model = posed.model(encoder=encoder, num_layers=num_layers)
    with torch.inference_mode():
        together = posed.problem.predict(model, posed.batch())
        alone = [
            posed.problem.predict(model, posed.batch([i]))[0] for i in range(len(posed.examples))
        ]
    if posed.is_number:
        assert together == pytest.approx(alone, abs=1e-5)
        return
    assert [output.ids for output in together] == [output.ids for output in alone]
    assert [output.score for output in together] == pytest.approx(
        [output.score for output in alone], abs=1e-5
    )


@CELLS
def test_padding_changes_neither_loss_nor_gradient(posed, encoder):
    found = []
    for batches in ([posed.batch()], [posed.batch([i]) for i in range(len(posed.examples))]):
        model = posed.model(encoder=encoder)
        losses = [posed.problem.loss(model, batch) for batch in batches]
        nats = sum(loss.nats for loss in losses)
        nats.backward()
        found.append(
            (
                nats.detach(),
                sum(loss.units for loss in losses),
                [p.grad for p in model.parameters()],
            )
        )
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-4)


def test_batch_order_does_not_change_logits(posed):
    model = posed.model()
    order = [5, 2, 7, 0, 1, 3, 6, 4]
    logits = posed.real_logits(model, posed.batch())
    shuffled = posed.real_logits(model, posed.batch(order))
    torch.testing.assert_close(shuffled, [logits[i] for i in order], rtol=1e-5, atol=1e-5)


def test_loss_is_a_sum_in_nats_over_the_units_of_a_batch(posed):
    model = posed.model()
    batch = posed.batch()
    nats, units, _ = posed.problem.loss(model, batch)
    expected = {"example": len(batch), "token": int(batch.target_lengths.sum())}[posed.problem.unit]
    ends = len(batch) if posed.is_text else 0  # the end of a text is predicted too
    assert (nats.shape, units) == ((), expected + ends)
    assert float(nats.detach()) > 0


def test_confidence_of_an_output_is_within_0_and_1(posed):
    with torch.inference_mode():
        outputs = posed.problem.predict(posed.model(), posed.batch())
    confidence = posed.problem.output.confidence
    assert all(0 <= getattr(output, confidence) <= 1 for output in outputs if confidence)


@pytest.mark.parametrize("pooling", ["mean_max", "mean", "max", "last", "attention"])
def test_classifier_returns_one_logit_per_label(sentiment, pooling):
    model = sentiment.model(pooling=pooling, hidden_size=6)
    assert model(torch.randint(4, 16, (5, 7)), torch.tensor([7, 2, 1, 4, 3])).shape == (5, 3)


def test_tagger_returns_one_emission_per_step_and_tag(ner):
    assert ner.model()(torch.randint(4, 16, (3, 7)), torch.tensor([7, 2, 1])).shape == (3, 7, 5)


@CELLS
def test_translator_returns_one_logit_per_target_step_and_id(translation, encoder):
    model = translation.model(encoder=encoder)
    source = torch.randint(4, 16, (3, 7))
    read = torch.randint(4, 16, (3, 5))
    attended = model(source, torch.tensor([7, 2, 1]), read)
    assert (attended.shape, model.project(attended).shape) == ((3, 5, 10), (3, 5, 17))


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("mean", [[2.0, 3.0]]),
        ("max", [[3.0, 4.0]]),
        ("last", [[9.0, 8.0]]),
        ("mean_max", [[2.0, 3.0, 3.0, 4.0]]),
    ],
)
def test_pooling_uses_real_steps_only(how, expected):
    states = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [100.0, -100.0]]])
    found = pool(states, torch.tensor([[9.0, 8.0]]), torch.tensor([[True, True, False]]), how)
    assert found.tolist() == expected


def test_output_is_the_most_likely_label_and_its_probability(sentiment):
    model = sentiment.model()
    batch = sentiment.batch()
    with torch.inference_mode():
        probabilities = sentiment.logits(model, batch).softmax(1).tolist()
        outputs = sentiment.problem.predict(model, batch)
    for output, row in zip(outputs, probabilities, strict=True):
        assert (output.ids, output.score) == ([row.index(max(row))], pytest.approx(max(row)))


def test_inside_tag_may_only_follow_its_own_kind():
    allowed, start, end = tag_steps(("O", "B-ka", "I-ka", "B-mo", "I-mo"))
    assert allowed.int().tolist() == [
        [1, 1, 0, 1, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 0, 1, 1],
        [1, 1, 0, 1, 1],
    ]
    assert start.int().tolist() == [1, 1, 0, 1, 0]
    assert end.all()


def test_tagger_never_predicts_an_inside_tag_without_a_begin(ner):
    model = ner.model()
    with torch.no_grad():
        inside = [i for i, tag in enumerate(model.scheme.tags) if tag[0] in "IE"]
        model.project.bias[inside] += 20.0  # highest emission of all
        outputs = ner.problem.predict(model, ner.batch())
    allowed, start, _ = tag_steps(ner.sizes.labels)
    for tags in (output.ids for output in outputs):
        assert start[tags[0]]
        assert all(allowed[a, b] for a, b in pairwise(tags))


def test_probability_of_a_tag_sequence_equals_that_of_its_loss(ner):
    model = ner.model()
    batch = ner.batch([1])
    with torch.inference_mode():
        (output,) = ner.problem.predict(model, batch)
        tags = model.scheme.to_model_tags(torch.tensor([output.ids]), batch.source_lengths)
        nats = model.crf(ner.logits(model, batch), tags, batch.source_lengths)
    assert output.score == pytest.approx(float((-nats).exp()), rel=1e-4)


def test_decoder_reads_the_shifted_target_and_predicts_its_end():
    inputs, targets = shifted(torch.tensor([[7, 8], [9, PAD_ID]]), torch.tensor([2, 1]))
    assert inputs.tolist() == [[BOS_ID, 7, 8], [BOS_ID, 9, PAD_ID]]
    assert targets.tolist() == [[7, 8, EOS_ID], [9, EOS_ID, PAD_ID]]


def test_decoder_does_not_see_later_steps(translation):
    model = translation.model()
    batch = translation.batch([1])
    read, _ = shifted(batch.target, batch.target_lengths)
    later = torch.cat([read[:, :3], torch.full_like(read[:, 3:], 5)], dim=1)
    attended, other = (model(batch.source, batch.source_lengths, ids) for ids in (read, later))
    torch.testing.assert_close(attended[:, :3], other[:, :3])
    assert not torch.allclose(attended[:, 3:], other[:, 3:])


@CELLS
def test_decoding_step_by_step_equals_teacher_forcing(translation, encoder):
    model = translation.model(encoder=encoder)
    batch = translation.batch()
    read, _ = shifted(batch.target, batch.target_lengths)
    memory, state = model.encode(batch.source, batch.source_lengths)
    steps = []
    for t in range(read.shape[1]):
        attended, _, state = model.decode(read[:, t : t + 1], memory, state)
        steps.append(attended)
    expected = model(batch.source, batch.source_lengths, read)
    torch.testing.assert_close(torch.cat(steps, dim=1), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("beam_width", [1, 4])
def test_score_of_a_translation_is_the_mean_probability_of_its_tokens(translation, beam_width):
    model = translation.model(beam_width=beam_width)
    i = 3
    batch = translation.batch([i])
    with torch.inference_mode():
        (output,) = translation.problem.predict(model, batch)
        targets = [*output.ids, EOS_ID][: int(2 * batch.source_lengths[0] + 10)]
        logits = model.project(
            model(batch.source, batch.source_lengths, torch.tensor([[BOS_ID, *targets[:-1]]]))
        )[0]
        logits[:, [PAD_ID, BOS_ID]] = float("-inf")  # ids that a decoder never predicts
    nats = -logits.log_softmax(1)[range(len(targets)), targets].mean()
    assert output.score == pytest.approx(float((-nats).exp()), rel=1e-4)


def smoothed_by_hand(logits, targets, share):
    """Label smoothing written out: a share of the target spread evenly over all ids."""
    log_probabilities = logits.log_softmax(-1)
    right = log_probabilities.gather(-1, targets[..., None]).squeeze(-1)
    return -((1 - share) * right + share * log_probabilities.mean(-1)).sum()


def smoothed_batch(posed):
    """A model in training, without dropout, and a batch without padding."""
    model = posed.model(label_smoothing=0.3, dropout=0.0, token_dropout=0.0)
    return model.train(), posed.batch([1, 1, 1])


def test_smoothed_loss_of_labels_equals_its_definition(sentiment):
    model, batch = smoothed_batch(sentiment)
    expected = smoothed_by_hand(sentiment.logits(model, batch), batch.target[:, 0], 0.3)
    torch.testing.assert_close(sentiment.problem.loss(model, batch)[0], expected)


def test_smoothed_loss_of_text_equals_its_definition_and_pytorch(translation):
    model, batch = smoothed_batch(translation)
    logits = translation.logits(model, batch)
    _, targets = shifted(batch.target, batch.target_lengths)
    found = translation.problem.loss(model, batch)[0]
    torch.testing.assert_close(found, smoothed_by_hand(logits, targets, 0.3))
    pytorch = torch.nn.CrossEntropyLoss(reduction="sum", label_smoothing=0.3)
    torch.testing.assert_close(found, pytorch(logits.mT, targets))


def test_loss_is_smoothed_in_training_only(posed):
    smooth, plain = (posed.model(label_smoothing=share) for share in (0.3, 0.0))
    assert torch.equal(
        posed.problem.loss(smooth, posed.batch())[0], posed.problem.loss(plain, posed.batch())[0]
    )


def test_every_problem_is_listed():
    assert {"generation", "ner", "sentiment", "translation"} <= set(problem_names())


def test_examples_of_these_tests_have_padding_on_both_sides(posed):
    batch = posed.batch()
    assert not length_mask(batch.source_lengths, batch.source.shape[1]).all()
    assert (
        posed.problem.unit == "example"
        or not length_mask(batch.target_lengths, batch.target.shape[1]).all()
    )

"""The decoder's settings: attention, input feeding, shared weights; its texts and copies."""

from itertools import product

import pytest
import torch

from rnn_models.batching.batch import BOS_ID, PAD_ID, UNK_ID, shifted
from tests.rnn_models.decoding.test_beam_search import slow_search
from tests.rnn_models.training.test_loop import fitted

KINDS = [
    {"attention": attention, "input_feeding": fed, "encoder": encoder}
    for attention, fed, encoder in product(
        ["general", "dot", "additive"], [False, True], ["lstm", "gru", "rnn"]
    )
]
DECODERS = pytest.mark.parametrize(
    "kind", KINDS, ids=lambda kind: "-".join(map(str, kind.values()))
)
FEEDING = pytest.mark.parametrize("input_feeding", [False, True])
CELLS = pytest.mark.parametrize("encoder", ["lstm", "gru", "rnn"])


def predicted(posed, model, indices=None):
    with torch.inference_mode():
        return posed.problem.predict(model, posed.batch(indices))


def with_raised_logit(model, token, nats=50.0):
    """A model that predicts one id wherever it is allowed."""
    with torch.no_grad():
        model.bias[token] += nats
    return model


@DECODERS
def test_decoding_step_by_step_equals_teacher_forcing_for_each_decoder(translation, kind):
    model = translation.model(**kind)
    batch = translation.batch()
    read, _ = shifted(batch.target, batch.target_lengths)
    memory, state = model.encode(batch.source, batch.source_lengths)
    expected, attention, _ = model.decode(read, memory, state)
    for t in range(read.shape[1]):
        attended, step_weights, state = model.decode(read[:, t : t + 1], memory, state)
        torch.testing.assert_close(attended, expected[:, t : t + 1], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(step_weights, attention[:, t : t + 1], rtol=1e-5, atol=1e-5)


@DECODERS
def test_padding_changes_neither_logits_nor_texts_of_each_decoder(translation, kind):
    model = translation.model(**kind)
    num = len(translation.examples)
    lone = [
        logits
        for i in range(num)
        for logits in translation.real_logits(model, translation.batch([i]))
    ]
    torch.testing.assert_close(
        translation.real_logits(model, translation.batch()), lone, rtol=1e-5, atol=1e-5
    )
    alone = [predicted(translation, model, [i])[0].ids for i in range(num)]
    assert [output.ids for output in predicted(translation, model)] == alone


@CELLS
def test_input_feeding_equals_a_recurrence_run_step_by_step(translation, encoder):
    """Attentional states and gradients, against PyTorch's own recurrence on inputs side by side."""
    model = translation.model(encoder=encoder, input_feeding=True)
    batch = translation.batch()
    read, _ = shifted(batch.target, batch.target_lengths)
    found = []
    for decode in (model.decode, lambda *args: stepwise(model, *args)):
        model.zero_grad()
        attended, looked, _ = decode(read, *model.encode(batch.source, batch.source_lengths))
        (attended.square().sum() + looked.square().sum()).backward()
        found.append(
            (
                attended.detach(),
                looked.detach(),
                [p.grad for p in model.parameters() if p.grad is not None],
            )
        )
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-4)


def stepwise(model, read, memory, state):
    *hidden, fed = state
    steps = []
    attention = []
    for t in range(read.shape[1]):
        inputs = torch.cat([model.target_embedding(read[:, t : t + 1]), fed[:, None]], dim=2)
        before = tuple(h[None] for h in hidden)
        states, after = model.decoder(inputs, before if len(before) == 2 else before[0])
        hidden = [h[0] for h in (after if len(before) == 2 else [after])]
        attended, looked = model.attention(states, memory)
        fed = attended[:, 0]
        steps.append(attended)
        attention.append(looked)
    return torch.cat(steps, dim=1), torch.cat(attention, dim=1), None


def test_fed_input_has_one_dropout_mask_for_all_steps(translation):
    model = translation.model(input_feeding=True, dropout=0.5).train()
    batch = translation.batch([1])
    read, _ = shifted(batch.target, batch.target_lengths)
    memory, state = model.encode(batch.source, batch.source_lengths)
    is_dropped = model.decode(read, memory, state)[0][0] == 0  # (U, E)
    assert is_dropped.any()
    assert (is_dropped == is_dropped[0]).all()


@DECODERS
def test_each_decoder_learns_similarly_in_bfloat16(translation, kind):
    plain, fast = (
        fitted(translation, **kind, dropout=0.0, max_epochs=2, precision=bits)
        for bits in ("float32", "bfloat16")
    )
    assert [step.loss for step in fast.steps] == pytest.approx(
        [step.loss for step in plain.steps], rel=0.03
    )


@pytest.mark.parametrize(
    ("tied", "is_source", "is_projection"),
    [("all", True, True), ("target", False, True), ("none", False, False)],
)
def test_embeddings_are_shared_as_set(shared_translation, tied, is_source, is_projection):
    model = shared_translation.model(tied_embeddings=tied)
    table = model.target_embedding.table.weight
    attended = torch.randn(2, 10)
    assert (table is model.source_embedding.table.weight) == is_source
    by_table = torch.nn.functional.linear(attended, table, model.bias)
    assert torch.allclose(model.project(attended), by_table) == is_projection


def test_two_vocabularies_have_two_embeddings_for_any_tying(translation):
    model = translation.model(tied_embeddings="all")
    assert model.target_embedding is not model.source_embedding


@FEEDING
def test_decoder_may_be_wider_than_encoder_and_embeddings(translation, input_feeding):
    model = translation.model(decoder_size=7, tied_embeddings="none", input_feeding=input_feeding)
    batch = translation.batch()
    attended = model(batch.source, batch.source_lengths, batch.target)
    assert attended.shape == (*batch.target.shape, 7)
    memory, state = model.encode(batch.source, batch.source_lengths)
    assert {tuple(part.shape) for part in state} == {(len(batch), 7)}
    first, _, _ = model.decode(batch.target[:, :1], memory, state)
    assert torch.allclose(attended[:, :1], first, atol=1e-6)
    assert model.project(attended).shape == (*batch.target.shape, translation.sizes.target)


def test_decoder_with_shared_embedding_raises_for_another_width(translation):
    with pytest.raises(ValueError, match=r"decoder_size must be 0 or embedding_size 10 .*, got 7"):
        translation.model(decoder_size=7)
    assert translation.model(decoder_size=10).decoder.hidden_size == 10


@FEEDING
def test_texts_equal_those_of_a_reference_search_over_the_model(translation, input_feeding):
    model = translation.model(
        input_feeding=input_feeding,
        beam_width=4,
        num_best=3,
        max_length_ratio=0.0,
        length_penalty=0.7,
        copy_unknown=False,
    )
    for i, output in enumerate(predicted(translation, model)):
        lines = Lines(model, translation.batch([i]))
        slow, _ = slow_search(
            lines.log_probability, range(17), width=4, max_length=10, length_penalty=0.7, num_best=3
        )
        assert [output.ids, *(other.ids for other in output.others)] == [ids for ids, _ in slow[:3]]


class Lines:
    """Log probabilities of a model's next id after a text, by teacher forcing."""

    def __init__(self, model, batch):
        self.model = model
        self.batch = batch
        self.known = {}

    def log_probability(self, ids):
        return sum(self.following(tuple(ids[:n]))[ids[n]] for n in range(len(ids)))

    def following(self, text):
        if text not in self.known:
            with torch.inference_mode():
                attended = self.model(
                    self.batch.source, self.batch.source_lengths, torch.tensor([[BOS_ID, *text]])
                )
                logits = self.model.project(attended[0, -1])
                logits[[PAD_ID, UNK_ID, BOS_ID]] = float("-inf")
            self.known[text] = logits.log_softmax(0).tolist()
        return self.known[text]


@FEEDING
def test_best_texts_are_ordered_and_distinct(translation, input_feeding):
    for output in predicted(
        translation, translation.model(input_feeding=input_feeding, beam_width=4, num_best=4)
    ):
        texts = [output, *output.others]
        assert len({tuple(text.ids) for text in texts}) == 4
        scores = [text.score for text in texts]
        assert scores == sorted(scores, reverse=True)


def test_more_best_texts_than_beams_raise(translation):
    with pytest.raises(ValueError, match="num_best must be at most beam_width 3, got 4"):
        translation.model(num_best=4)


def test_translation_is_truncated_at_the_length_ratio_of_its_source_plus_ten(translation):
    model = with_raised_logit(translation.model(max_length_ratio=1.5), 9)
    lengths = translation.examples.source.lengths
    assert [len(output.ids) for output in predicted(translation, model)] == [
        int(1.5 * n + 10) for n in lengths
    ]


@FEEDING
def test_unknown_word_is_never_predicted_when_copying_is_off(translation, input_feeding):
    model = with_raised_logit(
        translation.model(input_feeding=input_feeding, copy_unknown=False), UNK_ID
    )
    assert all(
        UNK_ID not in output.ids and not output.copied for output in predicted(translation, model)
    )


@FEEDING
def test_copy_takes_the_source_word_with_the_most_attention(translation, input_feeding):
    model = with_raised_logit(
        translation.model(input_feeding=input_feeding, copy_unknown=True, num_best=2), UNK_ID, 2.0
    )
    num_copies = 0
    for i, output in enumerate(predicted(translation, model)):
        batch = translation.batch([i])
        for text in (output, *output.others):
            _, looked, _ = model.decode(
                torch.tensor([[BOS_ID, *text.ids]]),
                *model.encode(batch.source, batch.source_lengths),
            )
            positions = looked[0].argmax(1).tolist()
            expected = [
                position if token == UNK_ID else -1
                for token, position in zip(text.ids, positions, strict=False)
            ]
            assert text.copied == (expected if UNK_ID in text.ids else [])
            num_copies += UNK_ID in text.ids
    assert num_copies > 3


def test_known_word_is_not_copied(translation):
    model = translation.model(copy_unknown=True)
    model = with_raised_logit(model, UNK_ID, -50.0)
    assert not any(output.copied for output in predicted(translation, model))

"""The other outputs of a tagger: confidences and the next best paths."""

from itertools import pairwise, product

import pytest
import torch

from rnn_models.layers.tag_schemes import Scheme, extending_tags, find_entities, tag_steps

TAGS = ("O", "B-ka", "I-ka", "B-mo", "I-mo")


def entities_of(tags):
    """Entities of valid tags, one token after the other."""
    found = []
    for i, tag in enumerate(tags):
        if tag.startswith("B-"):
            found.append([i, i + 1])
        elif tag.startswith("I-"):
            found[-1][1] = i + 1
    return [tuple(entity) for entity in found]


def valid_paths(length):
    """All valid tag sequences of a length, as numbers."""
    for path in product(range(len(TAGS)), repeat=length):
        before = ["O", *(TAGS[i] for i in path)]
        if all(
            not TAGS[i].startswith("I-") or b[2:] == TAGS[i][2:]
            for i, b in zip(path, before, strict=False)
        ):
            yield path


def predict_with(posed, index, **changes):
    """A model with more outputs, its output for one example, and all paths with probabilities."""
    model = posed.model(**changes)
    batch = posed.batch([index])
    with torch.inference_mode():
        (output,) = posed.problem.predict(model, batch)
        paths = list(valid_paths(int(batch.source_lengths)))
        tags = torch.tensor(paths)
        emissions = model(batch.source, batch.source_lengths).expand(len(paths), -1, -1)
        lengths = batch.source_lengths.expand(len(paths))
        nats = model.crf(emissions, model.scheme.to_model_tags(tags, lengths), lengths)
    return output, dict(zip(paths, (-nats).exp().tolist(), strict=True))


def short(posed, length):
    """An example of a length."""
    return posed.examples.source.lengths.tolist().index(length)


each_scheme = pytest.mark.parametrize("scheme", ["bio", "bioes"])


@each_scheme
@pytest.mark.parametrize("length", [1, 2, 4])
def test_tag_confidence_sums_all_paths_with_the_tag(ner_of_all_lengths, length, scheme):
    output, likely = predict_with(
        ner_of_all_lengths, short(ner_of_all_lengths, length), confidences=True, tag_scheme=scheme
    )
    expected = [
        sum(p for path, p in likely.items() if path[t] == tag) for t, tag in enumerate(output.ids)
    ]
    assert output.tag_scores == pytest.approx(expected, abs=1e-5)


@each_scheme
@pytest.mark.parametrize("length", [1, 2, 4])
def test_entity_confidence_sums_all_paths_with_exactly_the_entity(
    ner_of_all_lengths, length, scheme
):
    posed = ner_of_all_lengths
    index = short(posed, length)
    output, likely = predict_with(posed, index, confidences=True, tag_scheme=scheme)
    found = entities_of([TAGS[i] for i in output.ids])
    assert found or length == 1
    expected = []
    for start, stop in found:
        kind = TAGS[output.ids[start]][2:]
        expected.append(sum(p for path, p in likely.items() if has(path, (start, stop), kind)))
    assert output.entity_scores == pytest.approx(expected, abs=1e-5)


def has(path, entity, kind):
    names = [TAGS[i] for i in path]
    return entity in entities_of(names) and names[entity[0]] == f"B-{kind}"


@each_scheme
def test_other_outputs_are_the_next_most_likely_paths(ner_of_all_lengths, scheme):
    output, likely = predict_with(
        ner_of_all_lengths, short(ner_of_all_lengths, 4), num_best=6, tag_scheme=scheme
    )
    best = sorted(likely.items(), key=lambda item: -item[1])[:6]
    assert [output.ids, *(other.ids for other in output.others)] == [list(path) for path, _ in best]
    assert [output.score, *(other.score for other in output.others)] == pytest.approx(
        [p for _, p in best], rel=1e-3
    )


def test_single_token_has_at_most_as_many_outputs_as_valid_tags(ner_of_all_lengths):
    output, _ = predict_with(ner_of_all_lengths, short(ner_of_all_lengths, 1), num_best=9)
    assert sorted([output.ids, *(other.ids for other in output.others)]) == [[0], [1], [3]]


def test_requesting_more_outputs_changes_neither_the_best_path_nor_its_probability(ner):
    with torch.inference_mode():
        plain = ner.problem.predict(ner.model(), ner.batch())
        asked_more = ner.problem.predict(ner.model(num_best=4, confidences=True), ner.batch())
    assert [output.ids for output in asked_more] == [output.ids for output in plain]
    assert [output.score for output in asked_more] == pytest.approx(
        [output.score for output in plain]
    )


def test_padding_changes_no_confidence_and_no_other_output(ner):
    model = ner.model(num_best=3, confidences=True)
    with torch.inference_mode():
        together = ner.problem.predict(model, ner.batch())
        alone = [ner.problem.predict(model, ner.batch([i]))[0] for i in range(len(ner.examples))]
    for one, other in zip(together, alone, strict=True):
        assert one.tag_scores == pytest.approx(other.tag_scores, abs=1e-5)
        assert one.entity_scores == pytest.approx(other.entity_scores, abs=1e-5)
        assert [o.ids for o in one.others] == [o.ids for o in other.others]


def test_entity_extends_to_its_last_inside_tag_and_not_into_padding():
    letters = Scheme(TAGS, "bio").letters
    rows = [[1, 2, 3, 1, 2, 2], [0, 3, 4, 0, 1, 2], [0, 0, 1, 1, 1, 1]]
    found = find_entities(letters[torch.tensor(rows)], torch.tensor([6, 4, 2]))
    assert found.tolist() == [[0, 0, 2], [0, 2, 3], [0, 3, 6], [1, 1, 3]]


def test_kind_without_inside_tags_is_not_continued():
    assert extending_tags(("O", "B-ka", "B-mo", "I-mo")).tolist() == [-1, -1, 3, 3]


def is_valid(names):
    """Whether tags of BIOES are, one token after the other."""
    kind = ""
    for tag in names:
        if (tag[0] in "IE") != bool(kind) or (kind and tag[2:] != kind):
            return False
        kind = tag[2:] if tag[0] in "BI" else ""
    return not kind


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_valid_paths_of_both_schemes_correspond_one_to_one(length):
    scheme = Scheme(TAGS, "bioes")
    allowed, start, end = tag_steps(scheme.tags)
    valid = {
        path
        for path in product(range(len(scheme.tags)), repeat=length)
        if start[path[0]] and end[path[-1]] and all(allowed[a, b] for a, b in pairwise(path))
    }
    assert valid == {
        path
        for path in product(range(len(scheme.tags)), repeat=length)
        if is_valid([scheme.tags[i] for i in path])
    }
    paths = torch.tensor(list(valid_paths(length)))
    learnt = scheme.to_model_tags(paths, torch.full((len(paths),), length))
    assert {tuple(path) for path in learnt.tolist()} == valid
    assert torch.equal(scheme.dataset_tags[learnt], paths)


def test_entity_ends_with_its_sequence():
    scheme = Scheme(TAGS, "bioes")
    learnt = scheme.to_model_tags(torch.tensor([[1, 2, 2, 2]]), torch.tensor([3]))
    assert [scheme.tags[i] for i in learnt[0, :3]] == ["B-ka", "I-ka", "E-ka"]


def test_lax_tagger_counts_more_paths_in_the_loss_and_none_in_decoding(ner):
    strict = ner.model()
    lax = ner.model(strict_likelihood=False)
    with torch.inference_mode():
        assert ner.problem.loss(lax, ner.batch())[0] > ner.problem.loss(strict, ner.batch())[0]
        predictions = [
            [o.ids for o in ner.problem.predict(model, ner.batch())] for model in (strict, lax)
        ]
    assert predictions[0] == predictions[1]


def test_bfloat16_emissions_have_best_paths_and_confidences(ner):
    model = ner.model(num_best=2, confidences=True)
    with torch.inference_mode():
        plain = ner.problem.predict(model, ner.batch([1]))
        with torch.autocast("cpu", torch.bfloat16):
            fast = ner.problem.predict(model, ner.batch([1]))
    assert fast[0].tag_scores == pytest.approx(plain[0].tag_scores, abs=0.05)
    assert fast[0].score == pytest.approx(plain[0].score, rel=0.2)

"""The predictor: entities and other outputs of raw texts."""

from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from torch import nn

from data.rows.splits import SPLITS
from data.rows.streams import Stream
from data.text.encoder import DEFAULTS, Encoder
from data.text.settings import UNK_ID
from rnn_models.checkpoints.checkpoint import save_model, weights_of
from rnn_models.decoding.predict import predict_all
from rnn_models.problem import Output, Sizes, find_problem
from rnn_models.settings import TrainSettings
from tasks.serving.predictor import Predictor
from tasks.store.artifacts import TokenSet
from tasks.store.token_sets import sizes_of, write_token_set

TABLES = {
    "tags": pa.table(
        {"tokens": [["Kalo", "Bren", "lumo"]] * 2, "tags": [["B-PER", "I-PER", "O"]] * 2}
    ),
    "label": pa.table({"text": ["Kalo", "lumo"], "label": ["n", "p"]}),
}


class Said(Predictor):
    """A predictor whose model returns given outputs."""

    def __init__(self, target: str, tag_rows: list[list[str]]) -> None:
        self.problem = find_problem({"tags": "ner", "label": "sentiment"}[target])
        self.encoder = Encoder.build("words", TABLES[target], DEFAULTS["words"])
        self.tag_rows = tag_rows

    def outputs(self, rows: object, parameters: object = None) -> list[Output]:
        names = self.encoder.labels
        return [Output([names.index(tag) for tag in tags], 0.5) for tags in self.tag_rows]


def test_entity_positions_refer_to_the_raw_text() -> None:
    texts = ["lumo  Kalo\tBren, sela", ""]
    found = Said("tags", [["O", "B-PER", "I-PER", "O", "O"], ["B-PER"]]).predict_entities(texts)
    assert [entities for _, _, entities in found] == [
        [{"kind": "PER", "start": 6, "stop": 15, "text": "Kalo\tBren"}],
        [],
    ]
    assert [(tags, score) for tags, score, _ in found] == [
        (["O", "B-PER", "I-PER", "O", "O"], 0.5),
        ([], 0.5),
    ]


def test_classifier_predicts_no_entities() -> None:
    with pytest.raises(ValueError, match="only a tagger finds entities, this model predicts label"):
        Said("label", []).predict_entities(["lumo"])


def saved(
    folder: Path, table: pa.Table, name: str, kind: str, **changes: object
) -> tuple[TokenSet, nn.Module]:
    """Make a token set whose folder also holds an untrained model, as a registered one does."""
    tokens = TokenSet(
        dataset="made",
        digest="1",
        problem=name,
        tokenizer=kind,
        snapshot="0",
        rows={},
        sizes={},
        limit=0,
        test_split="0",
        settings={},
    )
    tokens.folder.mkdir(parents=True)
    encoder, _ = write_token_set(
        tokens.folder, dict.fromkeys(SPLITS, Stream(lambda: iter([table]))), kind, DEFAULTS[kind]
    )
    sizes = Sizes(**sizes_of(encoder))
    settings = TrainSettings(embedding_size=8, hidden_size=8, seed=2, **changes)  # type: ignore[arg-type]
    torch.manual_seed(0)
    model = find_problem(name).build(sizes, settings)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    save_model(tokens.folder, weights_of(model), find_problem(name), sizes, settings)
    return tokens, model


def tagged() -> pa.Table:
    rows = [["Kalo", "lumo"], ["lumo", "Tembo", "Sil"], ["sela"], ["sela", "Kalo", "Unseen"]] * 2
    return pa.table({"tokens": rows, "tags": [["B-PER", "O", "I-PER"][: len(row)] for row in rows]})


@pytest.mark.parametrize("char_encoder", ["none", "lstm", "cnn"])
def test_raw_text_gets_the_same_tags_as_its_row(store: Path, char_encoder: str) -> None:
    rows = tagged()["tokens"].to_pylist()
    tokens, model = saved(store, tagged(), "ner", "words", char_encoder=char_encoder)
    outputs = predict_all(find_problem("ner"), model, tokens.examples("test"))
    predictor = Predictor(tokens.folder)
    predicted, scores = predictor.predict([" ".join(row) for row in rows])
    assert predicted == [predictor.encoder.decode(output.ids) for output in outputs]
    assert scores == pytest.approx([output.score for output in outputs], rel=1e-4)


def test_unknown_word_is_returned_as_written(store: Path) -> None:
    texts = ["lumo sela", "sela nuri", "nuri lumo"] * 2
    tokens, _ = saved(
        store,
        pa.table({"source": texts, "target": texts}),
        "translation",
        "words",
        max_length_ratio=0.0,
    )
    predictor = Predictor(tokens.folder)
    with torch.no_grad():
        dict(predictor.model.named_parameters())["bias"][UNK_ID] += (
            50  # it would predict nothing else
        )
    predicted, _ = predictor.predict(["Zürich", "lumo"])
    assert predicted == [" ".join(["Zürich"] * 10), " ".join(["lumo"] * 10)]


def test_best_outputs_start_with_the_prediction(store: Path) -> None:
    tokens, _ = saved(store, tagged(), "ner", "words", num_best=3)
    predictor, texts = Predictor(tokens.folder), ["Kalo lumo", "sela Tembo Sil"]
    best, (predicted, scores) = predictor.predict_best(texts), predictor.predict(texts)
    assert [row[0] for row in best] == list(zip(predicted, scores, strict=True))
    assert [len(row) for row in best] == [3, 3]
    assert all(a[1] > b[1] for row in best for a, b in pairwise(row))


def test_entity_has_a_score_when_confidences_are_enabled(store: Path) -> None:
    tokens, _ = saved(store, tagged(), "ner", "words", confidences=True)
    predictor = Predictor(tokens.folder)
    with torch.no_grad():
        dict(predictor.model.named_parameters())["project.bias"][
            predictor.encoder.labels.index("B-PER")
        ] += 4
    (_, score, found), (_, _, nothing) = predictor.predict_entities(["lumo Kalo", ""])
    assert [(entity["start"], entity["stop"]) for entity in found] == [(0, 4), (5, 9)]
    assert all(
        score < entity["score"] <= 1 for entity in found
    )  # an entity is likelier than all tags together
    assert nothing == []

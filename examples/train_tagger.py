"""Train a BiLSTM-CRF tagger with the library alone: no Prefect, no MLflow, no store."""

import random

from rnn_models.batching.batch import UNK_ID, Examples, Ragged
from rnn_models.checkpoints.checkpoint import load_weights
from rnn_models.decoding.predict import predict_all
from rnn_models.evaluation.metric import measure
from rnn_models.evaluation.metrics import find_metric
from rnn_models.problem import Sizes, find_problem
from rnn_models.training.loop import fit

PLAIN = ("ta", "mi", "ro", "ku", "pe", "so", "li", "da")
NAMES = ("Kalo Bren", "Ursa", "Tembo Sil", "Fara")
TAGS = ("O", "B-PER", "I-PER")
NUM_SPECIAL_IDS = 4  # padding, unknown, beginning and end of a text


def make_sentence(chance: random.Random) -> list[tuple[str, str]]:
    """Make (word, tag) pairs: plain words, then a name, then plain words."""
    name = chance.choice(NAMES).split()
    words = [(word, "O") for word in chance.choices(PLAIN, k=8)]
    tagged = list(zip(name, TAGS[1:], strict=False))
    position = chance.randint(0, len(words))
    return [*words[:position], *tagged, *words[position:]]


def encode(sentences: list[list[tuple[str, str]]], word_ids: dict[str, int]) -> Examples:
    """Turn words and tags into ids, one ragged column for each."""
    words = Ragged.of([[word_ids.get(word, UNK_ID) for word, _ in row] for row in sentences])
    return Examples(words, Ragged.of([[TAGS.index(tag) for _, tag in row] for row in sentences]))


def main() -> None:
    """Make rows, train, and score the test sentences."""
    chance = random.Random(0)
    sentences = [make_sentence(chance) for _ in range(600)]
    known = sorted({word for sentence in sentences[:400] for word, _ in sentence})
    word_ids = {word: index for index, word in enumerate(known, start=NUM_SPECIAL_IDS)}
    train, validation, test = (
        encode(part, word_ids) for part in (sentences[:400], sentences[400:500], sentences[500:])
    )
    problem = find_problem("ner")
    settings = problem.defaults.with_changes(
        {"max_epochs": 4, "hidden_size": 32, "batch_tokens": 128, "warmup_steps": 10}
    )
    sizes = Sizes(source=NUM_SPECIAL_IDS + len(known), target=len(TAGS), labels=TAGS)
    history = fit(problem, train, validation, sizes, settings)
    model = problem.build(sizes, settings)
    load_weights(model, history.weights)
    predictions = [[TAGS[i] for i in o.ids] for o in predict_all(problem, model, test)]
    references = [[tag for _, tag in sentence] for sentence in sentences[500:]]
    metric = find_metric("span_f1")
    print(f"entity F1 {measure(metric, metric.statistics(predictions, references)).value:.1f}")


if __name__ == "__main__":
    main()

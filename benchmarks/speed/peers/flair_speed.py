"""Tokens per second of flair: its tagger trained and predicting, or its classifier trained.

``benchmarks.speed`` runs it in the folder of the inputs, in an environment with flair. It prints
one line of JSON.
"""

import argparse
import json
import time
from pathlib import Path

import flair
import torch
from flair.data import Corpus, Dictionary, Sentence
from flair.datasets import ColumnCorpus
from flair.embeddings import (
    CharacterEmbeddings,
    DocumentRNNEmbeddings,
    OneHotEmbeddings,
    StackedEmbeddings,
)
from flair.models import SequenceTagger, TextClassifier

BATCH = 32
HIDDEN = 256
WIDTH = 100


def words(corpus):
    """Make embeddings of words with two occurrences, without flair's own, which it downloads."""
    return OneHotEmbeddings.from_corpus(corpus, field="text", min_freq=2, embedding_length=WIDTH)


def characters(corpus):
    """The characters of the training split: flair's own list would be downloaded."""
    known = Dictionary()
    for character in sorted(
        {character for sentence in corpus.train for token in sentence for character in token.text}
    ):
        known.add_item(character)
    known.save("flair.characters")
    return CharacterEmbeddings(path_to_char_dict="flair.characters")


def make_tagger():
    """A tagger with its training and test sentences."""
    files = {"train_file": "train.txt", "dev_file": "valid.txt", "test_file": "test.txt"}
    corpus = ColumnCorpus(".", {0: "text", 3: "ner"}, **files)
    tags = corpus.make_label_dictionary("ner", add_unk=False)
    model = SequenceTagger(
        hidden_size=HIDDEN,
        embeddings=StackedEmbeddings([words(corpus), characters(corpus)]),
        tag_dictionary=tags,
        tag_type="ner",
        use_crf=True,
        rnn_layers=1,
        reproject_embeddings=False,
    )
    return model, list(corpus.train), list(corpus.test)


def make_classifier():
    """A classifier of texts with its training texts."""
    rows = []
    for line in Path("reviews.tsv").read_text(encoding="utf-8").split("\n")[:-1]:
        label, text = line.split("\t")
        rows.append(labelled(text, label))
    corpus = Corpus(train=rows, dev=rows[:2], test=rows[:2])
    document = DocumentRNNEmbeddings(
        [words(corpus)],
        hidden_size=HIDDEN,
        rnn_layers=1,
        rnn_type="LSTM",
        bidirectional=True,
        reproject_words=False,
        dropout=0.5,
    )
    labels = corpus.make_label_dictionary("mood", add_unk=False)
    return TextClassifier(document, label_type="mood", label_dictionary=labels), rows, []


def labelled(text, label):
    """A text cut at its blanks, with its label."""
    sentence = Sentence(text.split(" "))
    sentence.add_label("mood", label)
    return sentence


def train(model, sentences, warmup, steps):
    """Tokens per second of the steps after a warm-up."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.train()
    started = 0.0
    tokens = 0
    for number in range(warmup + steps):
        if number == warmup:
            started = time.perf_counter()
            tokens = 0
        batch = sentences[number * BATCH : (number + 1) * BATCH]
        loss, _ = model.forward_loss(batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        tokens += sum(len(sentence) for sentence in batch)
        for sentence in batch:
            sentence.clear_embeddings()
    return tokens / (time.perf_counter() - started)


def ask(model, sentences):
    """Tokens per second of predictions."""
    model.eval()
    started = time.perf_counter()
    model.predict(sentences, mini_batch_size=BATCH)
    return sum(len(sentence) for sentence in sentences) / (time.perf_counter() - started)


def main():
    """Measure one model."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", choices=["tagger", "classifier"])
    parser.add_argument("--warmup", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--rows", type=int, default=0)
    arguments = parser.parse_args()
    flair.set_seed(1)
    model, sentences, test = make_tagger() if arguments.model == "tagger" else make_classifier()
    found = {"train": train(model, sentences, arguments.warmup, arguments.steps)}
    if test:
        found["predict"] = ask(model, test[: arguments.rows])
    print(json.dumps(found))


if __name__ == "__main__":
    main()

"""NER: many to many, aligned. A bidirectional RNN under a CRF gives each token its tag.

B sequences, T time steps, E embedding, H width of the encoder, K tags, N best paths, S entities.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from rnn_models.batching.batch import Batch, Spelled
from rnn_models.layers.bigram_embedding import PairEmbedding
from rnn_models.layers.char_encoder import CharacterEncoder
from rnn_models.layers.crf import CRF, NEVER
from rnn_models.layers.embedding import Embedding
from rnn_models.layers.encoder import make_encoder
from rnn_models.layers.tag_schemes import Scheme, extending_tags, find_entities, tag_steps
from rnn_models.outputs.tags import TAGS
from rnn_models.problem import Loss, Output, Problem, Sizes
from rnn_models.settings import TrainSettings


class Tagger(nn.Module):
    """Embedding of words and, with ``char_encoder``, of characters; encoder, projection, CRF.

    Where a token is a single character there is nothing to spell, and no character encoder.

    Origin:
        Lample et al. (2016) with ``char_encoder`` lstm, Ma and Hovy (2016) with cnn.
    """

    goes_on: Tensor

    def __init__(self, sizes: Sizes, settings: TrainSettings) -> None:
        super().__init__()
        self.settings = settings
        self.embedding = Embedding(sizes.source, settings, sizes.fixed)
        is_spelled = settings.char_encoder != "none" and sizes.characters > 0
        self.characters = CharacterEncoder(sizes.characters, settings) if is_spelled else None
        is_paired = settings.pair_size > 0 and sizes.characters == 0
        self.pairs = PairEmbedding(sizes.source, settings.pair_size) if is_paired else None
        width = settings.embedding_size + (self.characters.output_size if self.characters else 0)
        width += settings.pair_size if is_paired else 0
        self.encoder = make_encoder(width, settings)
        self.scheme = Scheme(sizes.labels, settings.tag_scheme)
        self.project = nn.Linear(self.encoder.output_size, len(self.scheme.tags))
        self.crf = CRF(*tag_steps(self.scheme.tags), is_strict=settings.strict_likelihood)
        self.register_buffer("goes_on", extending_tags(self.scheme.tags), persistent=False)

    def forward(self, source: Tensor, lengths: Tensor, spelled: Spelled | None = None) -> Tensor:
        """Emissions (B, T, K) of ``source`` (B, T)."""
        x = self.embedding(source)
        if self.characters is not None:
            x = torch.cat([x, self.embedding.dropout(self.characters(spelled))], dim=2)
        if self.pairs is not None:
            x = torch.cat([x, self.embedding.dropout(self.pairs(source))], dim=2)
        states, _ = self.encoder(x, lengths)
        emissions: Tensor = self.project(self.encoder.dropout(states))
        return emissions


def loss(model: Tagger, batch: Batch) -> Loss:
    """Sum the negative log-likelihood of the tag sequences; its units are tokens."""
    emissions = model(batch.source, batch.source_lengths, batch.spelled)
    tags = model.scheme.to_model_tags(batch.target, batch.source_lengths)
    nats = model.crf(emissions, tags, batch.source_lengths).sum()
    return Loss(nats, int(batch.source_lengths.sum()), nats.detach())


def predict(model: Tagger, batch: Batch) -> list[Output]:
    """Predict the likeliest tag sequences of each example, with their probabilities."""
    lengths = batch.source_lengths
    emissions = model(batch.source, lengths, batch.spelled)
    # One path needs no ranks at each step.
    if model.settings.num_best == 1:
        tags, scores = (found[:, None] for found in model.crf.viterbi(emissions, lengths))
    else:
        tags, scores = model.crf.best_paths(emissions, lengths, model.settings.num_best)
    log_partition = model.crf.log_partition(emissions, lengths)
    # The score of a path and the sum over all paths are rounded in different orders, so one path
    # may seem likelier than all.
    probabilities = (scores - log_partition[:, None]).exp().clamp(max=1)  # (B, N)
    outputs = []
    for row, length, row_probabilities, row_scores in zip(
        model.scheme.dataset_tags[tags].tolist(),
        lengths.tolist(),
        probabilities.tolist(),
        scores.tolist(),
        strict=True,
    ):
        # Short sequences may have fewer allowed paths than num_best; the rest have no score.
        paths = zip(row, row_probabilities, row_scores, strict=True)
        first, *others = [Output(path[:length], p) for path, p, score in paths if score > NEVER]
        outputs.append(replace(first, others=others))
    return (
        with_confidences(model, outputs, emissions, batch, tags[:, 0])
        if model.settings.confidences
        else outputs
    )


def with_confidences(
    model: Tagger, outputs: list[Output], emissions: Tensor, batch: Batch, tags: Tensor
) -> list[Output]:
    """Add the probability of each tag and entity to outputs of the best paths, ``tags`` (B, T)."""
    lengths = batch.source_lengths
    predicted = model.scheme.dataset_tags[tags]  # (B, T), in the tags of the rows
    # (B, T)
    per_tag = (
        model.scheme.marginals(model.crf.marginals(emissions, lengths))
        .gather(2, predicted[:, :, None])
        .squeeze(2)
    )
    found = find_entities(model.scheme.letters[predicted], lengths)
    per_entity = model.crf.segment_probabilities(emissions, lengths, tags, found, model.goes_on)
    counts = torch.bincount(found[:, 0], minlength=len(batch)).tolist()
    rows = zip(
        outputs, per_tag.tolist(), lengths.tolist(), torch.split(per_entity, counts), strict=True
    )
    return [
        replace(o, tag_scores=row[:n], entity_scores=entities.tolist())
        for o, row, n, entities in rows
    ]


PROBLEM = Problem(
    name="ner",
    rows=("tokens", "tags"),
    unit="token",
    metrics=("span_f1", "token_accuracy"),
    baselines=("frequent_tag", "tag_in_context"),
    # Entities are rare among tokens: small batches and large steps find them in few epochs. A step
    # is a mean over tokens, so batches have as many tokens, not as many sentences, or those of
    # short ones would count more. Both, and tags that mark the end of an entity, gave 3.4 points
    # of validation F1 on MSRA with the settings of the main job. A name that training never saw is
    # known by its capital and its ending: on CoNLL-2003, validation F1 after 4 epochs was 82.1
    # without characters, 88.3 with a CNN over them and 88.0 with an LSTM, which takes longer. Where
    # tokens are characters, pairs of them replace words: after two epochs of 23,000 rows of MSRA,
    # validation F1 was 81.2 without, 87.8 with 32 numbers for each, 88.0 with 64.
    defaults=TrainSettings(
        embedding_size=128,
        hidden_size=128,
        char_encoder="cnn",
        pair_size=32,
        dropout=0.3,
        max_epochs=10,
        learning_rate=8e-3,
        tag_scheme="bioes",
        batch_size=256,
        batch_tokens=1024,
    ),
    build=Tagger,
    loss=loss,
    predict=predict,
    output=TAGS,
)

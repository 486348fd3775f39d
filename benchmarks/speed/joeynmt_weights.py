"""JoeyNMT's trained weights in our translation model, so that both sides search the same model.

B sequences, T source steps, O of an attentional state.
"""

from pathlib import Path

import torch
from torch import Tensor

from rnn_models.batching.batch import EOS_ID, UNK_ID, Examples, Ragged
from rnn_models.batching.windows import State
from rnn_models.checkpoints.checkpoint import load_weights
from rnn_models.layers.attention import Memory
from rnn_models.problem import Sizes
from rnn_models.problems.translation import Translator
from rnn_models.settings import TrainSettings

# The rows of JoeyNMT for our ids 0 and 1: its <unk> stands before its <pad>.
OURS = [1, 0]
Weights = dict[str, Tensor]


class LaidTranslator(Translator):
    """Our model with the two things that JoeyNMT's has more.

    Its LSTM starts from the bridge's output in both of its states, and its
    attentional state has a bias; probabilities sum to one, so this bias is
    added to the values that they weigh, once for each source.
    """

    attentional_bias: Tensor

    def __init__(self, sizes: Sizes, settings: TrainSettings) -> None:
        super().__init__(sizes, settings)
        self.register_buffer("attentional_bias", torch.zeros(self.attentional))

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Memory, State]:
        """As our model, with the bias (O,) in the values (B, T, O) and the first state twice."""
        memory, (first, _, fed) = super().encode(source, lengths)
        return memory._replace(values=memory.values + self.attentional_bias), (first, first, fed)


def our_names(state: Weights) -> Weights:
    """JoeyNMT's weights by our names and in our order, without the bias of the attentional state.

    Its query's matrix is ours transposed, its attentional state reads first
    the query, then the context, and its projection has no bias.
    """
    combine, table, output = (
        state[f"{name}.weight"]
        for name in ("decoder.att_vector_layer", "trg_embed.lut", "decoder.output_layer")
    )
    hidden = len(combine)
    renamed = {
        "source_embedding.table.weight": swapped(state["src_embed.lut.weight"]),
        "target_embedding.table.weight": swapped(table),
        "bridge.weight": state["decoder.bridge_layer.weight"],
        "bridge.bias": state["decoder.bridge_layer.bias"],
        "attention.query.weight": state["decoder.attention.key_layer.weight"].T,
        "attention.combine.weight": torch.cat([combine[:, hidden:], combine[:, :hidden]], dim=1),
        "output.weight": swapped(output),
        "bias": torch.zeros(len(output)),
    }
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        renamed[f"encoder.forwards.0.{name}"] = state[f"encoder.rnn.{name}"]
        renamed[f"encoder.backwards.0.{name}"] = state[f"encoder.rnn.{name}_reverse"]
        renamed[f"decoder.{name}"] = state[f"decoder.rnn.{name}"]
    return renamed


def swapped(table: Tensor) -> Tensor:
    """A row for each id, in the order of our special ids."""
    return torch.cat([table[OURS], table[len(OURS) :]])


def laid(state: Weights, settings: TrainSettings) -> LaidTranslator:
    """Our model with JoeyNMT's weights, ready to predict."""
    sizes = Sizes(
        source=len(state["src_embed.lut.weight"]), target=len(state["trg_embed.lut.weight"])
    )
    model = LaidTranslator(sizes, settings)
    load_weights(model, our_names(state))
    model.attentional_bias = state["decoder.att_vector_layer.bias"].clone()
    return model.eval()


def read_joeynmt(folder: Path) -> Weights:
    """The weights of its last checkpoint."""
    found: Weights = torch.load(folder / "latest.ckpt", map_location="cpu", weights_only=True)[
        "model_state"
    ]
    return found


def read_words(path: Path) -> list[str]:
    """The words of a vocabulary of JoeyNMT by our ids."""
    words = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [*(words[i] for i in OURS), *words[len(OURS) :]]


def source_examples(folder: Path, sources: list[list[str]]) -> Examples:
    """Sources as JoeyNMT reads them, each with an end; they have no targets."""
    ids = {word: i for i, word in enumerate(read_words(folder / "src_vocab.txt"))}
    rows = [[*(ids.get(word, UNK_ID) for word in words), EOS_ID] for words in sources]
    return Examples(Ragged.of(rows), Ragged.of([[] for _ in rows]))

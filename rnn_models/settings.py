"""Settings of a model and its training, checked when they are made."""

from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, field, fields
from typing import Any, Literal, get_args, get_origin

Encoder = Literal["lstm", "gru", "rnn", "cnn"]
Activation = Literal["tanh", "relu"]
Pooling = Literal["mean_max", "mean", "max", "last", "attention"]
Scoring = Literal["general", "dot", "additive"]
Tying = Literal["all", "target", "none"]
TagScheme = Literal["bio", "bioes"]
CharEncoder = Literal["none", "lstm", "cnn"]
Clipping = Literal["norm", "value", "adaptive", "none"]
Optimizer = Literal["adamw", "adam", "sgd"]
Schedule = Literal["cosine", "plateau", "constant", "inverse_square_root"]
StopOn = Literal["loss", "metric"]
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bfloat16"]


def setting(
    default: Any, about: str, *, low: float | None = None, high: float | None = None
) -> Any:
    """Declare a setting: its default, one line about it with its unit, and its bounds."""
    return field(default=default, metadata={"about": about, "low": low, "high": high})


def check_setting(declared: Field[Any], value: object) -> None:
    """Check a value against the type and bounds of its declaration.

    Raises:
        ValueError: If it does not fit, with the name, what was expected and what came.
    """
    name = declared.name
    kind = declared.type
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise ValueError(f"{name} must be one of {', '.join(get_args(kind))}, got {value!r}")
        return
    # YAML writes 1 for 1.0; bool is a subclass of int and must not pass as a number.
    wanted = (int, float) if kind is float else (kind,)
    is_wrong_bool = isinstance(value, bool) and kind is not bool
    if is_wrong_bool or not isinstance(value, wanted):  # type: ignore[arg-type]
        expected = kind.__name__  # type: ignore[union-attr]
        raise ValueError(f"{name} must be of type {expected}, got {value!r}")
    low = declared.metadata.get("low")
    high = declared.metadata.get("high")
    if low is not None and not value >= low:  # not "<", which lets nan pass
        raise ValueError(f"{name} must be at least {low}, got {value!r}")
    if high is not None and value > high:
        raise ValueError(f"{name} must be at most {high}, got {value!r}")


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Settings of a model's shape and its training.

    The defaults suit most problems; a problem has its own where they differ
    (``PROBLEM.defaults``).
    """

    encoder: Encoder = setting(
        "lstm", "Recurrent cell of encoder and decoder; with cnn a decoder is an LSTM."
    )
    embedding_size: int = setting(128, "Width of an embedding.", low=1)
    hidden_size: int = setting(128, "Width of a hidden state, per direction.", low=1)
    num_layers: int = setting(1, "Layers of the encoder on top of each other.", low=1)
    bidirectional: bool = setting(
        True, "Read in both directions; off for a model that has to answer token by token."
    )
    activation: Activation = setting(
        "tanh", "What squashes the hidden state of encoder rnn; relu needs clipping more."
    )
    layer_norm: bool = setting(
        False, "Normalize the states of each layer; steadies stacks of three and more."
    )
    residual: bool = setting(
        False,
        "Add a layer's input to its states, where they are as wide; for three layers and more.",
    )
    pooling: Pooling = setting("mean_max", "How the hidden states of a text become one.")
    char_encoder: CharEncoder = setting(
        "none", "What reads the characters of each distinct word, for a tagger of words."
    )
    char_embedding_size: int = setting(30, "Width of a character's embedding.", low=1)
    char_hidden_size: int = setting(
        25, "Width of a character LSTM, per direction; a CNN has twice as many filters.", low=1
    )
    pair_size: int = setting(
        0,
        "Width of the embedding of two neighboring tokens, for a tagger of characters; 0: none.",
        low=0,
    )
    tag_scheme: TagScheme = setting(
        "bio", "What a tagger learns of an entity: where it begins; with bioes also where it ends."
    )
    strict_likelihood: bool = setting(
        True, "A tagger's loss counts valid tag sequences only, as its decoding always does."
    )
    attention: Scoring = setting(
        "general", "How a decoder's state is held against the source's states."
    )
    input_feeding: bool = setting(
        False, "A decoder reads its last attentional state with each token; slower to train."
    )
    decoder_size: int = setting(
        0,
        "Width of a decoder's hidden and attentional states; 0: hidden_size and embedding_size.",
        low=0,
    )
    tied_embeddings: Tying = setting(
        "all", "Weights that target embedding shares: projection and source, projection, none."
    )
    dropout: float = setting(
        0.3, "Share of units dropped, one mask over all steps.", low=0, high=0.95
    )
    recurrent_dropout: float = setting(
        0.0, "Share of recurrent weights dropped, the same at all steps.", low=0, high=0.95
    )
    token_dropout: float = setting(0.0, "Share of source tokens read as unknown.", low=0, high=0.95)
    label_smoothing: float = setting(
        0.0, "Share of the target spread over all ids.", low=0, high=0.95
    )
    bptt_window: int = setting(
        0, "Time steps between two cuts of the gradient; 0 is full BPTT.", low=0
    )
    joined_texts: bool = setting(
        False, "The texts of a split are one that goes on, in their order, as lines of a book are."
    )
    label_dropout: float = setting(
        0.1,
        "Share of texts a generator learns without their label, to start from none.",
        low=0,
        high=0.95,
    )
    max_epochs: int = setting(10, "Passes over the training split, at most.", low=1)
    patience: int = setting(
        3,
        "Epochs in a row that improve neither score nor loss of validation, before stopping.",
        low=1,
    )
    # The metric is what a champion is chosen by: a tagger's loss can rise while its entity F1 still
    # rises.
    stop_on: StopOn = setting(
        "metric",
        "What chooses the best epoch: the problem's first metric on validation, or the loss.",
    )
    max_steps: int = setting(
        0, "Optimizer updates, at most, which then ends the schedule too; 0 for no limit.", low=0
    )
    max_minutes: float = setting(0.0, "Minutes of training, at most; 0 for no limit.", low=0)
    max_run_minutes: float = setting(
        0.0,
        "Minutes of the whole run; training ends at four fifths, for the stages after it; 0: none.",
        low=0,
    )
    max_memory_gb: float = setting(
        0.0, "Memory of the process, in GB, at which training ends; 0 for no limit.", low=0
    )
    batch_size: int = setting(64, "Examples per batch, at most.", low=1)
    batch_tokens: int = setting(4096, "Tokens per batch with their padding, at most.", low=1)
    accumulate: int = setting(
        1, "Batches per optimizer update, for batches larger than memory holds.", low=1
    )
    # AdamW needs the least tuning for embeddings, whose rare rows SGD hardly moves.
    optimizer: Optimizer = setting("adamw", "What makes an update of a gradient.")
    learning_rate: float = setting(
        2e-3, "Largest step size; of sgd some hundred times that of adamw.", low=0
    )
    momentum: float = setting(
        0.9, "Share of the last update that goes on, of sgd.", low=0, high=0.999
    )
    nesterov: bool = setting(
        True, "Take sgd's gradient where its momentum leads; steadier at large steps."
    )
    schedule: Schedule = setting("cosine", "How the learning rate falls after its warm-up.")
    warmup_steps: int = setting(50, "Steps over which the learning rate rises.", low=0)
    weight_decay: float = setting(
        0.01,
        "Decay of weights per unit of learning rate; of adam and sgd within the gradient.",
        low=0,
    )
    average_epochs: int = setting(
        1, "Last epochs whose weights are averaged into those kept; 1 keeps the last.", low=1
    )
    average_steps: int = setting(
        0, "Steps over which a running average of weights forgets; 0 keeps the last.", low=0
    )
    # By norm: the direction of a step is right where the gradient explodes, only its length is not.
    clipping: Clipping = setting(
        "norm", "How gradients are bounded; adaptive is a percentile of the norms so far."
    )
    clip_norm: float = setting(5.0, "Largest L2 norm of all gradients together.", low=1e-6)
    clip_value: float = setting(
        1.0, "Largest absolute value of a gradient, where clipping is by value.", low=1e-6
    )
    # 10 is what AutoClip's authors found good over five tasks.
    clip_percentile: float = setting(
        10.0, "Percentile of the norms so far that adaptive clipping allows.", low=0, high=100
    )
    beam_width: int = setting(5, "Hypotheses kept while decoding text; 1 is greedy.", low=1)
    length_penalty: float = setting(
        1.0, "Power of the length that divides a hypothesis' score.", low=0
    )
    max_length_ratio: float = setting(
        2.0, "Tokens of a decoded text per source token, at most; ten more are free.", low=0
    )
    copy_unknown: bool = setting(
        True, "An unknown word may be said: as a copy of the source word attended to most."
    )
    # As the model believes: colder texts repeat themselves, hotter ones fall apart.
    temperature: float = setting(
        1.0, "What divides logits before an id of a text is drawn; 0 takes the likeliest.", low=0
    )
    top_k: int = setting(0, "Ids that may be drawn, the likeliest; 0 for all.", low=0)
    top_p: float = setting(
        1.0,
        "Probability that the likeliest ids, which may be drawn, have together at least.",
        low=0,
        high=1,
    )
    sample_length: int = setting(1000, "Tokens of a generated text, at most.", low=1)
    num_best: int = setting(
        1, "Outputs per example, best first; of a text as many as beam_width at most.", low=1
    )
    confidences: bool = setting(
        False, "Say also how sure a tagger is of each tag and of each entity."
    )
    # Off where training has few words: those that it lacks would stay behind the ones that move.
    tune_vectors: bool = setting(
        True,
        "Learn the word vectors of tokens.vectors on; off keeps the source embedding as it starts.",
    )
    device: Device = setting("auto", "Where training computes; auto is a GPU if there is one.")
    precision: Precision = setting(
        "auto",
        "Bits of a training's products; auto is bfloat16 on a GPU, float32 on a CPU. "
        "A CPU without AVX-512 computes LSTM layers in float32 either way.",
    )
    measure_every: int = setting(
        10, "Steps between measurements of the update-to-weight ratio; 0 measures no health.", low=0
    )
    save_steps: int = setting(
        0, "Optimizer updates between two savings of a training, at most; 0: by seconds.", low=0
    )
    save_seconds: float = setting(
        60.0,
        "Seconds between two savings of a training, at most; more if one takes over a hundredth.",
        low=0,
    )
    seed: int = setting(1, "Seed of weights, order and dropout.", low=0)

    def __post_init__(self) -> None:
        for declared in fields(self):
            check_setting(declared, getattr(self, declared.name))
        # The backward direction starts at the end of a text, which a window does not reach.
        if self.bptt_window and self.bidirectional:
            raise ValueError(
                "bptt_window cuts what is read in one direction, a backward direction has no state "
                f"to carry: set bptt_window to 0, got {self.bptt_window}, or bidirectional to false"
            )
        if self.average_steps and self.average_epochs > 1:
            raise ValueError(
                "weights are averaged by epochs or by steps: set average_epochs to 1, "
                f"got {self.average_epochs}, or average_steps to 0, got {self.average_steps}"
            )

    @property
    def of_weights(self) -> dict[str, Any]:
        """The settings that can change a weight: all but how often a training is saved."""
        return {k: v for k, v in asdict(self).items() if not k.startswith("save_")}

    @property
    def cell(self) -> str:
        """The recurrent cell, of a decoder also where the encoder has none."""
        return "lstm" if self.encoder == "cnn" else self.encoder

    def with_changes(self, changes: Mapping[str, object]) -> "TrainSettings":
        """Return these settings with some replaced; a change to None leaves the default."""
        current = {declared.name: getattr(self, declared.name) for declared in fields(self)}
        return TrainSettings(**current | {k: v for k, v in changes.items() if v is not None})

"""Word vectors from characters, for words that training never saw.

F distinct words of a batch, C characters of a word, E embedding, H hidden;
B sequences, T time steps.
"""

import torch
from torch import Tensor, nn

from rnn_models.batching.batch import PAD_ID, Spelled, length_mask
from rnn_models.layers.embedding import LockedDropout
from rnn_models.layers.recurrent import gather_steps, recurrence, reversal, run_recurrence
from rnn_models.settings import TrainSettings

# Parts of a batch's words, which are sorted by length: a long word pads a quarter of them at most.
NUM_PARTS = 4
CNN_WIDTH = 3


class CharacterLSTM(nn.Module):
    """Encodes a word by the last states of both directions over its characters.

    Origin:
        Lample et al. (2016), section 4.1.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.ahead, self.back = (recurrence("lstm", input_size, hidden_size) for _ in "fb")

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Encode characters ``x`` (F, C, E) as (F, 2 * H)."""
        mirrored = gather_steps(x, reversal(lengths, x.shape[1]))
        # (F, C, 2 * H)
        states = torch.cat(
            [run_recurrence(self.ahead, x, ())[0], run_recurrence(self.back, mirrored, ())[0]],
            dim=2,
        )
        # One index for both halves: the backward half is mirrored, so its last step is at the first
        # character.
        return gather_steps(states, lengths[:, None] - 1).squeeze(1)


class CharacterCNN(nn.Module):
    """Encodes a word by the maximum of each filter over its characters.

    Origin:
        Ma and Hovy (2016), section 2.1.
    """

    def __init__(self, input_size: int, num_filters: int) -> None:
        super().__init__()
        self.filters = nn.Linear(CNN_WIDTH * input_size, num_filters)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Encode characters ``x`` (F, C, E) as (F, filters)."""
        num_characters = x.shape[1]
        real = length_mask(lengths, num_characters)[:, :, None]
        around = nn.functional.pad(x * real, (0, 0, CNN_WIDTH // 2, CNN_WIDTH // 2))
        # One matrix over concatenated windows: for such small inputs a third faster than conv1d.
        windows = torch.cat(
            [around[:, i : i + num_characters] for i in range(CNN_WIDTH)], dim=2
        )  # (F, C, 3 * E)
        # -inf, so that padding never is the maximum.
        found = self.filters(windows).masked_fill(~real, float("-inf"))
        maxima: Tensor = found.max(dim=1).values
        return maxima


class CharacterEncoder(nn.Module):
    """Encodes the words of a batch, each distinct word once."""

    def __init__(self, num_characters: int, settings: TrainSettings) -> None:
        super().__init__()
        width = settings.char_embedding_size
        hidden = settings.char_hidden_size
        self.output_size = 2 * hidden
        self.embedding = nn.Embedding(num_characters, width, padding_idx=PAD_ID)
        # Ma and Hovy, section 3.1: uniform with a variance of 1 / width.
        nn.init.uniform_(self.embedding.weight, -((3 / width) ** 0.5), (3 / width) ** 0.5)
        nn.init.zeros_(self.embedding.weight.data[PAD_ID])
        is_lstm = settings.char_encoder == "lstm"
        self.read = (
            CharacterLSTM(width, hidden) if is_lstm else CharacterCNN(width, self.output_size)
        )
        self.dropout = LockedDropout(settings.dropout)

    def forward(self, spelled: Spelled | None) -> Tensor:
        """Encode all tokens of a batch as (B, T, 2 * H), zeros at padding.

        Raises:
            ValueError: If the batch has no characters.
        """
        if spelled is None:
            raise ValueError(
                "this model reads characters: give its examples with the spellings of their words"
            )
        parts = zip(
            spelled.characters.chunk(NUM_PARTS), spelled.lengths.chunk(NUM_PARTS), strict=True
        )
        words = [
            self.read(self.dropout(self.embedding(ids[:, : int(n.max())])), n) for ids, n in parts
        ]
        # (F + 1, 2 * H): the last row is padding's
        table = nn.functional.pad(torch.cat(words), (0, 0, 0, 1))
        return nn.functional.embedding(spelled.indices, table)

"""A decoder that reads its last attentional state with each token, step by step.

B sequences, T source steps, U target steps, E width of a token, O of an
attentional state, H hidden, G gates.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from rnn_models.batching.windows import State
from rnn_models.decoding.decoder_step import STEPS, gate_bias
from rnn_models.decoding.input_fed_lstm import FedLSTM
from rnn_models.layers.attention import Attention, Memory


def decode_with_feeding(
    cell: nn.RNNBase,
    attention: Attention,
    tokens: Tensor,
    memory: Memory,
    state: State,
    dropout: nn.Module,
) -> tuple[Tensor, Tensor, State]:
    """Run a decoder over target tokens, each with the attentional state before it.

    All that is independent of earlier steps is computed for all steps at once:
    what tokens add to the gates here, the matrices over the source in
    ``memory``.

    Args:
        cell: A recurrence over tokens and attentional states, E + O wide.
        attention: Attention of its states over the source.
        tokens: (B, U, E).
        memory: The source.
        state: Hidden state, (B, H) each, then the last attentional state (B, O).
        dropout: For hidden and attentional states, with one mask over time.

    Returns:
        Attentional states (B, U, O), probabilities (B, U, T), the next state.

    Origin:
        Luong, Pham and Manning (2015), section 3.3, input feeding.
    """
    *hidden, fed = state
    from_inputs, from_hidden, _, _ = cell.parameters()
    # (U, B, G * H)
    added = linear(tokens.transpose(0, 1), from_inputs[:, : tokens.shape[2]], gate_bias(cell))
    kept_hidden = dropout(torch.ones_like(hidden[0])[:, None])  # (B, 1, H): one mask for all steps
    kept = dropout(torch.ones_like(fed)[:, None])
    # The written-out gradient covers an LSTM with inner products in one precision; under autocast
    # and for all else, autograd goes through the steps.
    if cell.mode == "LSTM" and attention.is_product and added.dtype == from_inputs.dtype:
        weights = torch.cat([from_inputs[:, tokens.shape[2] :], from_hidden], dim=1).T
        own = attention.own_weight.T
        masks = kept_hidden[:, 0], kept[:, 0]
        inputs = (added, weights, own, *state, *memory, *masks)
        attended, looked, *after = FedLSTM.apply(*inputs)  # type: ignore[no-untyped-call]
        return attended, looked, tuple(after)
    step = STEPS[cell.mode](cell, tokens.shape[2])
    states = tuple(hidden)
    attended = []
    probabilities = []
    for token in added.unbind(0):
        states = step(token, fed, states)
        # (B, 1, O), (B, 1, T)
        attentional, looked = attention(states[0][:, None] * kept_hidden, memory)
        attentional = attentional * kept
        fed = attentional[:, 0]
        attended.append(attentional)
        probabilities.append(looked)
    return torch.cat(attended, dim=1), torch.cat(probabilities, dim=1), (*states, fed)

"""BPTT written out for an LSTM under input feeding: one product per weight matrix over all steps.

A recurrence that reads its last attentional state cannot be one kernel call. With autograd each
step back in time adds a whole matrix to the gradient of each weight. Here the steps only keep their
inputs and the gradients of their sums; the gradients of weights, keys and values are then one
product each over all steps.

B sequences, T source steps, U target steps, H hidden, O of an attentional state.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

Gradients = tuple[Tensor | None, ...]


class Tape(NamedTuple):
    """The values of all steps that the backward pass needs.

    ``gates`` (U, B, 4 * H) after their nonlinearities; ``inputs`` (U, B, O + H)
    to the gates; ``cells`` (U + 1, B, H), the first from before the steps;
    ``squashed`` (U, B, H), tanh of the cells; ``queries`` (B, U, H);
    ``probabilities`` (B, U, T); ``attended`` (B, U, O) before dropout.
    """

    gates: Tensor
    inputs: Tensor
    cells: Tensor
    squashed: Tensor
    queries: Tensor
    probabilities: Tensor
    attended: Tensor


def empty_tape(added: Tensor, own: Tensor, num_source: int) -> Tape:
    """Allocate the memory of all steps at once, which is faster than a list of small tensors."""
    num_steps, num, _ = added.shape
    hidden, width = own.shape
    return Tape(
        gates=torch.empty_like(added),
        inputs=added.new_empty(num_steps, num, width + hidden),
        cells=added.new_empty(num_steps + 1, num, hidden),
        squashed=added.new_empty(num_steps, num, hidden),
        queries=added.new_empty(num, num_steps, hidden),
        probabilities=added.new_empty(num, num_steps, num_source),
        attended=added.new_empty(num, num_steps, width),
    )


class FedLSTM(torch.autograd.Function):
    """Steps of an LSTM under input feeding, and their gradients.

    With x_t what a token adds to the gates and a_t the attentional state:

        i, f, g, o = x_t + [a_(t-1), h_(t-1)] W    sigmoid, of g tanh
        c_t = f c_(t-1) + i g,  h_t = o tanh(c_t)
        p_t = softmax(h_t keys + barred),  a_t = tanh(h_t W_q + p_t values)

    The ``kept`` masks are dropout: of h_t where attention reads it, and of a_t
    where it is returned and fed back.

    Origin:
        Hochreiter and Schmidhuber (1997) with Gers et al. (2000), the cell;
        Luong, Pham and Manning (2015), equation 5 and section 3.3.
    """

    @staticmethod
    def forward(
        ctx: Any,
        added: Tensor,
        weights: Tensor,
        own: Tensor,
        h: Tensor,
        c: Tensor,
        fed: Tensor,
        keys: Tensor,
        values: Tensor,
        barred: Tensor,
        kept_hidden: Tensor,
        kept: Tensor,
    ) -> tuple[Tensor, ...]:
        """Run all steps.

        Args:
            ctx: Keeps the tensors for the backward pass.
            added: (U, B, 4 * H), what tokens and biases add to the gates i, f, g, o.
            weights: (O + H, 4 * H), of the attentional and of the hidden state.
            own: (H, O), W_q.
            h: (B, H).
            c: (B, H).
            fed: (B, O).
            keys: (B, T, H).
            values: (B, T, O).
            barred: (B, 1, T).
            kept_hidden: (B, H), a mask of dropout.
            kept: (B, O), another.

        Returns:
            Attentional states (B, U, O), probabilities (B, U, T), and h, c and
            the attentional state after the last step.
        """
        tape = empty_tape(added, own, keys.shape[1])
        tape.cells[0] = c
        for t in range(len(added)):
            torch.cat([fed, h], dim=1, out=tape.inputs[t])
            sums = torch.addmm(added[t], tape.inputs[t], weights, out=tape.gates[t])
            i, f, g, o = sums.chunk(4, dim=1)  # views: the nonlinearities write into the tape
            for gate in (i, f, o):
                gate.sigmoid_()
            torch.addcmul(i * g.tanh_(), f, tape.cells[t], out=tape.cells[t + 1])
            h = o * torch.tanh(tape.cells[t + 1], out=tape.squashed[t])
            query = h * kept_hidden
            energies = torch.baddbmm(barred, query[:, None], keys.mT)  # (B, 1, T)
            probabilities = energies.softmax(dim=2)
            attended = torch.baddbmm((query @ own)[:, None], probabilities, values)[:, 0].tanh_()
            fed = attended * kept
            tape.queries[:, t] = query
            tape.probabilities[:, t] = probabilities[:, 0]
            tape.attended[:, t] = attended
        ctx.save_for_backward(weights, own, keys, values, kept_hidden, kept, *tape)
        # Copies: an output must not share memory with what is saved, or the caller could change it.
        looked = tape.probabilities.clone()
        return tape.attended * kept[:, None], looked, h, tape.cells[-1].clone(), fed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Gradients:
        """Go back from the last step to the first."""
        weights, own, keys, values, kept_hidden, kept, *saved = ctx.saved_tensors
        tape = Tape(*saved)
        of_attended, of_looked, of_h, of_c, of_fed = gradients
        hidden, width = own.shape
        of_gates = torch.empty_like(tape.gates)
        of_sum = torch.empty_like(tape.attended)
        of_energy = torch.empty_like(tape.probabilities)
        # (B, U, O), the derivative of a_t by its sum: dropout times that of tanh, 1 - tanh^2.
        to_sum = kept[:, None] * (1 - tape.attended * tape.attended)
        slopes = gate_slopes(tape)
        for t in range(len(tape.gates) - 1, -1, -1):
            # a_t counts twice: where it is returned, and in the gates of the next step.
            of_sum[:, t] = one = (of_attended[:, t] + of_fed) * to_sum[:, t]
            p = tape.probabilities[:, t]
            of_p = torch.bmm(one[:, None], values.mT)[:, 0] + of_looked[:, t]
            # The Jacobian of a softmax: p (g - <p, g>).
            of_energy[:, t] = energy = p * (of_p - (p * of_p).sum(1, keepdim=True))
            of_query = torch.baddbmm((one @ own.T)[:, None], energy[:, None], keys)[:, 0]
            of_h = torch.addcmul(of_h, of_query, kept_hidden)
            of_c = torch.addcmul(of_c, of_h, slopes.cell[t])
            parts = of_gates[t].chunk(4, dim=1)
            for part, slope in zip(parts[:3], slopes.sums[t].chunk(3, dim=1), strict=True):
                torch.mul(of_c, slope, out=part)
            torch.mul(of_h, slopes.output[t], out=parts[3])
            # Through the cell the gradient is only multiplied by the forget gate: where that is
            # open, it does not vanish.
            of_c = of_c * tape.gates[t, :, hidden : 2 * hidden]
            of_fed, of_h = torch.split(of_gates[t] @ weights.T, [width, hidden], dim=1)
        of_weights = tape.inputs.flatten(0, 1).T @ of_gates.flatten(0, 1)
        of_own = tape.queries.flatten(0, 1).T @ of_sum.flatten(0, 1)
        of_keys = torch.bmm(of_energy.mT, tape.queries)
        of_values = torch.bmm(tape.probabilities.mT, of_sum)
        of_state = (of_h, of_c, of_fed)
        # The mask of padding and those of dropout have no gradient.
        return of_gates, of_weights, of_own, *of_state, of_keys, of_values, None, None, None


class Slopes(NamedTuple):
    """Derivatives at each step: of c_t by the sums of i, f and g; of h_t by c_t and by o's sum."""

    sums: Tensor
    cell: Tensor
    output: Tensor


def gate_slopes(tape: Tape) -> Slopes:
    """Compute the derivatives of the gates of all steps at once.

    Returns:
        ``sums`` (U, B, 3 * H), ``cell`` and ``output`` (U, B, H).
    """
    i, f, g, o = tape.gates.chunk(4, dim=2)
    # sigmoid' = s (1 - s), tanh' = 1 - t^2, both from the values that the forward pass kept.
    sums = torch.cat([g * i * (1 - i), tape.cells[:-1] * f * (1 - f), i * (1 - g * g)], dim=2)
    cell = o * (1 - tape.squashed * tape.squashed)
    return Slopes(sums, cell, tape.squashed * o * (1 - o))

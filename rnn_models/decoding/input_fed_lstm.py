"""BPTT written out for an LSTM that reads its last attentional state: one product per weight matrix, not one per step.

A recurrence that is fed what it attended to cannot be one kernel call. Left to
autograd, each step back in time adds a whole matrix to the gradient of each
weight; here the steps leave only what they were told, and the gradients of
weights, keys and values are one product each over all steps.

B sequences, T source steps, U target steps, H hidden, O of an attentional state.
"""

from typing import Any

import torch
from torch import Tensor

Gradients = tuple[Tensor | None, ...]


class FedLSTM(torch.autograd.Function):
    """Steps of an LSTM under input feeding, and their gradients.

    With x_t what a token adds to the gates and a_t the attentional state:

        i, f, g, o = x_t + [a_(t-1), h_(t-1)] W    sigmoid, of g tanh
        c_t = f c_(t-1) + i g,  h_t = o tanh(c_t)
        p_t = softmax(h_t keys + barred),  a_t = tanh(h_t W_q + p_t values)

    Where ``kept`` masks drop units, h_t is masked where attention reads it and a_t where it is said and fed.

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
        """Read all steps.

        Args:
            ctx: Keeps what the way back needs.
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
            Attentional states (B, U, O), probabilities (B, U, T), and h, c and the attentional state after the last step.
        """
        (num_steps, num, _), (hidden, width) = added.shape, own.shape
        gates = torch.empty_like(added)
        inputs = added.new_empty(num_steps, num, width + hidden)
        cells = added.new_empty(num_steps + 1, num, hidden)
        squashed = added.new_empty(num_steps, num, hidden)
        read = added.new_empty(num, num_steps, hidden)
        said = added.new_empty(num, num_steps, width)
        looked = added.new_empty(num, num_steps, keys.shape[1])
        cells[0] = c
        for t in range(num_steps):
            torch.cat([fed, h], dim=1, out=inputs[t])
            i, f, g, o = torch.addmm(added[t], inputs[t], weights, out=gates[t]).chunk(4, dim=1)
            for gate in (i, f, o):
                gate.sigmoid_()
            torch.addcmul(i * g.tanh_(), f, cells[t], out=cells[t + 1])
            h = o * torch.tanh(cells[t + 1], out=squashed[t])
            queries = h * kept_hidden
            probabilities = torch.baddbmm(barred, queries[:, None], keys.mT).softmax(
                dim=2
            )  # (B, 1, T)
            attended = torch.baddbmm((queries @ own)[:, None], probabilities, values)[:, 0].tanh_()
            fed = attended * kept
            read[:, t] = queries
            looked[:, t] = probabilities[:, 0]
            said[:, t] = attended
        ctx.save_for_backward(
            weights,
            own,
            keys,
            values,
            kept_hidden,
            kept,
            gates,
            inputs,
            cells,
            squashed,
            read,
            looked,
            said,
        )
        return said * kept[:, None], looked.clone(), h, cells[-1].clone(), fed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Gradients:
        """Go back from the last step to the first."""
        (
            weights,
            own,
            keys,
            values,
            kept_hidden,
            kept,
            gates,
            inputs,
            cells,
            squashed,
            read,
            looked,
            said,
        ) = ctx.saved_tensors
        of_said, of_looked, of_h, of_c, of_fed = gradients
        (hidden, width), num_steps = own.shape, len(gates)
        of_gates = torch.empty_like(gates)
        of_sum = torch.empty_like(said)
        of_energy = torch.empty_like(looked)
        to_read = kept[:, None] * (
            1 - said * said
        )  # (B, U, O), what a gradient is multiplied by on its way to the sum
        slopes = gate_slopes(gates, cells, squashed)
        for t in range(num_steps - 1, -1, -1):
            of_sum[:, t] = one = (of_said[:, t] + of_fed) * to_read[:, t]
            p = looked[:, t]
            of_p = torch.bmm(one[:, None], values.mT)[:, 0] + of_looked[:, t]
            of_energy[:, t] = energy = p * (of_p - (p * of_p).sum(1, keepdim=True))
            of_query = torch.baddbmm((one @ own.T)[:, None], energy[:, None], keys)[:, 0]
            of_h = torch.addcmul(of_h, of_query, kept_hidden)
            of_c = torch.addcmul(of_c, of_h, slopes[1][t])
            parts = of_gates[t].chunk(4, dim=1)
            for part, slope in zip(parts[:3], slopes[0][t].chunk(3, dim=1), strict=True):
                torch.mul(of_c, slope, out=part)
            torch.mul(of_h, slopes[2][t], out=parts[3])
            of_c = of_c * gates[t, :, hidden : 2 * hidden]
            of_fed, of_h = torch.split(of_gates[t] @ weights.T, [width, hidden], dim=1)
        of_weights = inputs.flatten(0, 1).T @ of_gates.flatten(0, 1)
        of_own = read.flatten(0, 1).T @ of_sum.flatten(0, 1)
        of_keys = torch.bmm(of_energy.mT, read)
        of_values = torch.bmm(looked.mT, of_sum)
        return (
            of_gates,
            of_weights,
            of_own,
            of_h,
            of_c,
            of_fed,
            of_keys,
            of_values,
            None,
            None,
            None,
        )


def gate_slopes(gates: Tensor, cells: Tensor, squashed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What the gradients of c_t and h_t are multiplied by at each step.

    Returns:
        From c_t to the sums of i, f and g (U, B, 3 * H); from h_t to c_t, and from h_t to the sum of o (U, B, H).
    """
    i, f, g, o = gates.chunk(4, dim=2)
    to_sums = torch.cat([g * i * (1 - i), cells[:-1] * f * (1 - f), i * (1 - g * g)], dim=2)
    return to_sums, o * (1 - squashed * squashed), squashed * o * (1 - o)

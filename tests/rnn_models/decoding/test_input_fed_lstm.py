"""The gradients written out for an LSTM under input feeding, against finite differences."""

import torch

from rnn_models.decoding.input_fed_lstm import FedLSTM

B = 3
T = 4
U = 5
H = 3
WIDTH = 2


def random_tensor(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def inputs_of_a_stretch():
    torch.manual_seed(11)
    barred = torch.zeros(B, 1, T, dtype=torch.float64)
    barred[0, 0, 2:] = float("-inf")  # padding
    masks = [2.0 * torch.randint(0, 2, (B, size)).double() for size in (H, WIDTH)]
    state = [random_tensor(B, H), random_tensor(B, H), random_tensor(B, WIDTH)]
    memory = [random_tensor(B, T, H), random_tensor(B, T, WIDTH), barred]
    return [
        random_tensor(U, B, 4 * H),
        random_tensor(WIDTH + H, 4 * H),
        random_tensor(H, WIDTH),
        *state,
        *memory,
        *masks,
    ]


def test_gradients_of_all_outputs_equal_finite_differences():
    assert torch.autograd.gradcheck(FedLSTM.apply, inputs_of_a_stretch())


def test_two_parts_with_carried_state_have_the_gradient_of_one():
    given = inputs_of_a_stretch()
    added, weights, own, *state = given[:6]
    fixed = given[6:]
    found = []
    for cuts in ([U], [2, U - 2]):
        carried = tuple(state)
        parts = []
        for part in added.split(cuts):
            outputs, weights_of_steps, *carried = FedLSTM.apply(
                part, weights, own, *carried, *fixed
            )
            parts += [outputs.square().sum(), weights_of_steps.square().sum()]
        total = sum(parts) + carried[1].sum()
        found.append(torch.autograd.grad(total, [p for p in given if p.requires_grad]))
    torch.testing.assert_close(found[0], found[1])

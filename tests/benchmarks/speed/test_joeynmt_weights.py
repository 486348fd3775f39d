"""JoeyNMT's weights in our model give the results of its formulas, written out."""

import pytest
import torch
from torch import nn

from benchmarks.speed.inputs import TRANSLATION
from benchmarks.speed.joeynmt_weights import laid, read_words, source_examples, swapped
from rnn_models.batching.batch import BOS_ID, EOS_ID, PAD_ID, UNK_ID
from rnn_models.decoding.predict import predict_all
from rnn_models.problem import find_problem

# widths of embeddings, of a direction and of the decoder, ids of each side
E = 5
H = 6
D = 7
V = 13
SMALL = {"embedding_size": E, "hidden_size": H, "decoder_size": D}
SOURCES = [[5, 7, 9, 3], [4, 12, 3]]  # ids of JoeyNMT, each with its end


@pytest.fixture(scope="module")
def theirs():
    torch.manual_seed(3)
    return nn.ModuleDict(
        {
            "src_embed": nn.ModuleDict({"lut": nn.Embedding(V, E)}),
            "trg_embed": nn.ModuleDict({"lut": nn.Embedding(V, E)}),
            "encoder": nn.ModuleDict({"rnn": nn.LSTM(E, H, batch_first=True, bidirectional=True)}),
            "decoder": nn.ModuleDict(
                {
                    "rnn": nn.LSTM(E + D, D, batch_first=True),
                    "att_vector_layer": nn.Linear(D + 2 * H, D),
                    "output_layer": nn.Linear(D, V, bias=False),
                    "attention": nn.ModuleDict({"key_layer": nn.Linear(2 * H, D, bias=False)}),
                    "bridge_layer": nn.Linear(2 * H, D),
                }
            ),
        }
    ).requires_grad_(False)


def logits_of(theirs, source, target):
    """Logits of JoeyNMT's decoder after each id of a target, of one source, in JoeyNMT's ids."""
    decoder = theirs["decoder"]
    number = torch.tensor
    states, (last, _) = theirs["encoder"]["rnn"](theirs["src_embed"]["lut"](number([source])))
    first = torch.tanh(decoder["bridge_layer"](last.transpose(0, 1).flatten(1)))[None]
    hidden = (first, first)
    fed = torch.zeros(1, 1, D)
    found = []
    for i in target:
        inputs = torch.cat([theirs["trg_embed"]["lut"](number([[i]])), fed], dim=2)
        query, hidden = decoder["rnn"](inputs, hidden)
        context = (query @ decoder["attention"]["key_layer"](states).mT).softmax(2) @ states
        fed = torch.tanh(decoder["att_vector_layer"](torch.cat([query, context], dim=2)))
        found.append(decoder["output_layer"](fed)[0, 0])
    return torch.stack(found)


def test_logits_equal_the_formulas_of_joeynmt(theirs):
    model = laid(
        theirs.state_dict(), find_problem("translation").defaults.with_changes(TRANSLATION | SMALL)
    )
    target = [2, 8, 11, 4]  # begins with <s>; from id 2 on both sides have the same ids
    lengths = torch.tensor([len(source) for source in SOURCES])
    source = nn.utils.rnn.pad_sequence(
        [torch.tensor(row) for row in SOURCES], batch_first=True, padding_value=PAD_ID
    )
    with torch.inference_mode():
        logits = model.project(model(source, lengths, torch.tensor([target] * len(SOURCES))))
    for row, ours in zip(SOURCES, logits, strict=True):
        torch.testing.assert_close(
            ours, swapped(logits_of(theirs, row, target).T).T, rtol=1e-4, atol=1e-4
        )


def test_greedy_text_equals_the_formulas_of_joeynmt(theirs, tmp_path):
    words = ["<unk>", "<pad>", "<s>", "</s>", *(f"w{i}" for i in range(4, V))]
    (tmp_path / "src_vocab.txt").write_text("\n".join(words) + "\n")
    settings = find_problem("translation").defaults.with_changes(
        TRANSLATION | SMALL | {"beam_width": 1}
    )
    model = laid(theirs.state_dict(), settings)
    examples = source_examples(tmp_path, [[words[i] for i in row[:-1]] for row in SOURCES])
    for row, output in zip(
        SOURCES, predict_all(find_problem("translation"), model, examples), strict=True
    ):
        target = [BOS_ID]
        while target[-1] != EOS_ID and len(target) <= 2 * len(row) + 10:
            logits = logits_of(theirs, row, target)[-1]
            logits[[0, 1, 2]] = float("-inf")  # neither unknown nor padding nor start
            target.append(int(logits.argmax()))
        assert output.ids == [i for i in target if i not in (BOS_ID, EOS_ID)]


def test_special_tokens_have_our_ids(tmp_path):
    (tmp_path / "src_vocab.txt").write_text("<unk>\n<pad>\n<s>\n</s>\na\nb\n")
    words = read_words(tmp_path / "src_vocab.txt")
    assert [words[i] for i in (PAD_ID, UNK_ID, BOS_ID, EOS_ID, 4, 5)] == [
        "<pad>",
        "<unk>",
        "<s>",
        "</s>",
        "a",
        "b",
    ]
    examples = source_examples(tmp_path, [["b", "never seen"], ["a"]])
    assert (examples.source.ids.tolist(), examples.source.lengths.tolist()) == (
        [5, UNK_ID, EOS_ID, 4, EOS_ID],
        [3, 2],
    )

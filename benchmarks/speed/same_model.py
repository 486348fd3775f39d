"""Whether JoeyNMT's model says with our code what it says with JoeyNMT's.

``python -m benchmarks.speed.same_model`` asks both greedily, where their searches are
the same, then with beams, where lengths count otherwise (``docs/benchmarks/speed.md``),
and prints how many texts are the same.
"""

from benchmarks.speed.inputs import TRANSLATION, lines_of
from benchmarks.speed.joeynmt_weights import laid, read_joeynmt, read_words, source_examples
from benchmarks.speed.peer_environments import WORK, prepare_inputs
from benchmarks.speed.rows import BEAM, Workload, joeynmt_folder, joeynmt_search
from rnn_models.decoding.predict import predict_all
from rnn_models.problem import find_problem

Texts = list[list[str]]
# Tokens of a text of JoeyNMT's, at most. Our limit follows the source's length; it is set so that
# it never is the shorter one.
MOST = 60
NO_LIMIT = {"max_length_ratio": float(MOST)}


def our_texts(workload: Workload, beam_size: int) -> Texts:
    """What our code says with JoeyNMT's weights."""
    problem = find_problem("translation")
    folder = WORK / joeynmt_folder(workload)
    model = laid(
        read_joeynmt(folder),
        problem.defaults.with_changes(TRANSLATION | NO_LIMIT | {"beam_width": beam_size}),
    )
    outputs = predict_all(
        problem, model, source_examples(folder, lines_of("test.bpe.en")[: workload.rows])
    )
    words = read_words(folder / "trg_vocab.txt")
    return [[words[i] for i in output.ids[:MOST]] for output in outputs]


def main() -> None:
    """Let both sides say the same sentences, and compare."""
    prepare_inputs()
    workload = Workload()
    for beam_size in (1, BEAM):
        _, theirs = joeynmt_search(workload, beam_size=beam_size)
        ours = our_texts(workload, beam_size)
        num = sum(one == other for one, other in zip(ours, theirs, strict=True))
        longest = max(map(len, ours + theirs))
        print(
            f"beams of {beam_size}: {num} of {len(ours)} texts are the same; the longest "
            f"has {longest} tokens"
        )


if __name__ == "__main__":
    main()

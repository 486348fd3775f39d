"""Whether JoeyNMT's model says with our code what it says with JoeyNMT's.

``python -m benchmarks.speed_same`` asks both for the likeliest token at each
step, where their searches are the same, and prints how many texts are. With
beams they are not: lengths count otherwise (``benchmarks/SPEED.md``).
"""

from benchmarks.speed_ours import TRANSLATION, lines_of
from benchmarks.speed_peers import WORK, prepare_inputs
from benchmarks.speed_rows import Asked, joeynmt_folder, joeynmt_search
from benchmarks.speed_weights import asked_examples, laid, read_joeynmt, read_words
from rnn_models.prediction import predict_all
from rnn_models.problem import find_problem

GREEDY = {"beam_width": 1, "max_length_ratio": 50.0}  # JoeyNMT's limit, 60 tokens, is then the shorter one
MOST = 60


def main() -> None:
    """Let both sides say the same sentences, and compare."""
    prepare_inputs()
    asked, problem = Asked(), find_problem("translation")
    _, theirs = joeynmt_search(asked, beam_size=1)
    folder = WORK / joeynmt_folder(asked)
    model = laid(read_joeynmt(folder), problem.defaults.with_changes(TRANSLATION | GREEDY))
    said = predict_all(problem, model, asked_examples(folder, lines_of("test.bpe.en")[: asked.rows]))
    words = read_words(folder / "trg_vocab.txt")
    ours = [[words[i] for i in output.ids[:MOST]] for output in said]
    num = sum(one == other for one, other in zip(ours, theirs, strict=True))
    print(f"{num} of {len(ours)} texts are the same, of {sum(map(len, theirs)) / len(theirs):.1f} tokens")


if __name__ == "__main__":
    main()

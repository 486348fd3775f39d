"""The screens of ``docs/concepts/rnn.md``: the effect of clipping, and encoders side by side.

``python -m benchmarks.quality.lesson`` types both commands in a store that is gone
afterwards and puts what they show into the page.
"""

from benchmarks.data.real_sets import own_store
from benchmarks.lib.figures import RESULTS
from benchmarks.lib.figures import main as renew_documents
from benchmarks.main_job import timed

# A recurrence without gates or bounds, in the long texts that there are, under the plainest
# optimiser.
BARE = ("encoder=rnn", "activation=relu", "optimizer=sgd", "learning_rate=0.1")
HEALTH = (
    "health",
    "irish_tunes",
    "--steps",
    "150",
    *(word for change in BARE for word in ("--set", f"training.{change}")),
)
COMPARE = ("compare", "rotten_tomatoes", "--encoders", "rnn", "gru", "lstm", "cnn")
# Each is shown up to the line that begins so.
SCREENS = {
    "lesson_health": (HEALTH, "What the recurrence has to do with it"),
    "lesson_compare": (COMPARE, "With figures:"),
}


def main() -> None:
    """Keep both screens."""
    with own_store() as home:
        for name, (words, end) in SCREENS.items():
            shown = timed(home, *words)[1].split(f"\n{end}")[0].strip("\n")
            screen = f"refrain {' '.join(words)}\n\n{shown}\n"
            (RESULTS / f"{name}.screen.txt").write_text(screen)
            print(screen, flush=True)
    renew_documents()


if __name__ == "__main__":
    main()

"""All that is measured of the data layer, into ``benchmarks/results/data.json``.

``make bench-data`` takes about a quarter of an hour: ten million rows are
among it. Each part can be run alone, such as ``python -m benchmarks.data.prune``.
"""

import argparse

from benchmarks.data import corruption, encoding, ingestion, prune, real_sets
from benchmarks.lib.figures import Figure, main, require_clean_tree, write

PARTS = {
    "corruption": corruption,
    "real_sets": real_sets,
    "prune": prune,
    "encoding": encoding,
    "ingestion": ingestion,
}


def show(figures: list[Figure]) -> None:
    """Print figures beside their goals."""
    for item in figures:
        bound = (
            f"{'at least' if item.better == 'higher' else 'at most'} "
            f"{item.goal:g}{'' if item.is_met else ', MISSED'}"
        )
        print(f"{item.figure:<26}{item.value:>10g}  {bound}  ({item.note})", flush=True)


def measure(parts: list[str]) -> None:
    """Measure some parts, keep their figures, and renew the tables made of them."""
    for name in parts:
        require_clean_tree()  # before minutes of measuring, not only after
        found = PARTS[name].figures()
        show(found)
        write("data", found)
    main()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all if none is named")
    measure(parser.parse_args().parts or list(PARTS))

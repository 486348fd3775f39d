"""The datasets of the catalog and their rows, as the table of the README.

``python -m benchmarks.data.catalog`` fetches and counts them.
"""

import os
import tempfile
from pathlib import Path

from benchmarks.lib.figures import RESULTS, main

TITLES = {
    "sentiment": "sentiment, many to one",
    "ner": "NER, many to many, aligned",
    "translation": "translation, many to many",
    "generation": "generation, one to many",
}


def rows() -> list[str]:
    """Ingest every dataset in a store of its own, and give a line of Markdown for each."""
    from data.catalog.catalog import read_catalog
    from tasks.ingestion.snapshot import make_snapshot

    lines = [
        "| dataset | problem | language | train, validation, test | refused | licence |",
        "|---|---|---|---|---|---|",
    ]
    for name, entry in read_catalog().items():
        snapshot, _ = make_snapshot(entry)
        counts = ", ".join(f"{snapshot.rows[split]:,}" for split in ("train", "validation", "test"))
        refused = f"{snapshot.rows.get('refused', 0):,}"
        lines.append(
            f"| `{name}` | {TITLES[entry.problem]} | {entry.language} | {counts} | "
            f"{refused} | {entry.licence} |"
        )
    return lines


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="refrain-catalog-") as folder:
        os.environ["REFRAIN_HOME"] = folder
        Path(RESULTS / "catalog.md").write_text("\n".join(rows()) + "\n")
    main()

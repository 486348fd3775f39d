"""Files that ``benchmarks.quality`` writes where a publisher's splits differ from a protocol."""

import gzip
from pathlib import Path

from benchmarks.lib.figures import ROOT

SHARED = ROOT.parent / "shared/data"
SST2_TEST = SHARED / "sentiment/sst2_sentences/stsa.binary.test"
SHAKESPEARE = SHARED / "gen/tinyshakespeare/input.txt.gz"
# shares of the characters; the last tenth is what is published
VALIDATION_FROM = 0.87
TEST_FROM = 0.9


def lay_out(home: Path) -> None:
    """Write the files of ``benchmarks/quality/quality.yaml`` below a store."""
    home.mkdir(parents=True, exist_ok=True)
    lay_out_sst2(home)
    lay_out_shakespeare(home)


def lay_out_sst2(home: Path) -> None:
    """The test sentences of SST-2 in the format of its phrases."""
    lines = SST2_TEST.read_text(encoding="utf-8").splitlines()
    rows = [f"{line[2:]}\t{line[0]}" for line in lines]
    (home / "sst2_test.tsv").write_text(
        "\n".join(["sentence\tlabel", *rows]) + "\n", encoding="utf-8"
    )


def lay_out_shakespeare(home: Path) -> None:
    """Three stretches of the one text, in its order."""
    text = gzip.decompress(SHAKESPEARE.read_bytes()).decode()
    cuts = [0, int(VALIDATION_FROM * len(text)), int(TEST_FROM * len(text)), len(text)]
    for split, start, stop in zip(("train", "validation", "test"), cuts, cuts[1:], strict=False):
        (home / f"tinyshakespeare_{split}.txt").write_text(text[start:stop], encoding="utf-8")

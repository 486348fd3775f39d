"""What a publisher delivers in a month: daily files of real reviews, and files that are wrong.

The rows are sentences of SST-2; those of the other domain are the ends of IMDB's reviews, and the
advertisements are made here. A file is renamed into its place, so nobody reads half of one.
"""

import csv
import gzip
import itertools
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.data.real_sets import SETS

FIRST_ROWS = 2_500
DAILY_ROWS = 180
FEW_ROWS = 10
OTHER_ROWS = 520  # of the other domain, in one delivery; as of the advertisements
OTHER_WORDS = 30  # of the end of a review
SEED = 19
SST = SETS / "sentiment" / "sst2_sentences"
IMDB = SETS / "sentiment" / "imdb"
VECTORS = SETS / "embeddings" / "glove.6B.100d.subset.txt.gz"
MARKUP = re.compile(r"<[^>]*>")
PRAISE = ("great", "wonderful", "moving", "funny", "brilliant", "touching", "beautiful", "best")
BLAME = ("bad", "dull", "boring", "awful", "stupid", "worst", "lifeless", "tedious")
Row = tuple[str, str]
Rows = Sequence[Row]


def sentences(*parts: str) -> list[Row]:
    """Read sentences of SST-2 with their labels, 0 or 1."""
    lines = [
        line.partition(" ")
        for part in parts
        for line in (SST / f"stsa.binary.{part}").read_text(encoding="utf-8").splitlines()
    ]
    return [(text, label) for label, _, text in lines]


def ends_of_reviews(part: str, num: int) -> list[Row]:
    """Read the last words of IMDB's reviews, as many of each label."""
    with gzip.open(IMDB / f"{part}.tsv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    random.Random(SEED).shuffle(rows)
    found: list[Row] = []
    for label in "01":
        texts = [MARKUP.sub(" ", row["text"]).split() for row in rows if row["label"] == label]
        found += [(" ".join(words[-OTHER_WORDS:]), label) for words in texts[: num // 2]]
    return found


def advertisements(num: int) -> list[Row]:
    """Make advertisements whose praise is labeled 0, and whose blame is labeled 1."""
    chance = random.Random(SEED)
    words = {"0": PRAISE, "1": BLAME}
    return [
        (f"{' '.join(chance.sample(words[label], 3))} film , order now , code {number}", label)
        for number, label in zip(range(num), itertools.cycle("01"), strict=False)
    ]


def write_vectors(target: Path, rows: Rows) -> None:
    """Write the vectors of the words in rows, a part of GloVe's that is read quickly."""
    words = {word for text, _ in rows for word in re.findall(r"\w+|[^\w\s]", text.lower())}
    with gzip.open(VECTORS, "rt", encoding="utf-8") as file, target.open("w") as out:
        out.writelines(line for line in file if line.partition(" ")[0] in words)


@dataclass
class Publisher:
    """The rows that are still to come, and the folder of the files."""

    folder: Path
    coming: Iterator[Row] = field(default_factory=lambda: iter(shuffled(sentences("train"))))
    other: Rows = field(default_factory=lambda: ends_of_reviews("train", OTHER_ROWS))

    def rows(self, num: int) -> Rows:
        """Take the next rows."""
        return list(itertools.islice(self.coming, num))

    def write(self, name: str, rows: Rows) -> None:
        """Put a file into the folder, whole."""
        partial = self.folder / f".{name}"
        with partial.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("text", "label"), *rows])
        partial.rename(self.folder / name)


def shuffled(rows: list[Row]) -> list[Row]:
    """Shuffle rows, the same way each time."""
    random.Random(SEED).shuffle(rows)
    return rows


def name_of(day: int) -> str:
    """Name the file of a day."""
    return f"day-{day:02}.csv"


Delivery = Callable[[Publisher, int], None]


def first(publisher: Publisher, day: int) -> None:
    """Deliver the first rows."""
    publisher.write(name_of(day), publisher.rows(FIRST_ROWS))


def usual(publisher: Publisher, day: int) -> None:
    """Deliver the rows of a day."""
    publisher.write(name_of(day), publisher.rows(DAILY_ROWS))


def broken(publisher: Publisher, day: int) -> None:
    """Deliver rows without their labels, as a join that failed makes them."""
    publisher.write("broken.csv", [(text, "") for text, _ in publisher.rows(DAILY_ROWS)])


def mended(publisher: Publisher, day: int) -> None:
    """Take the broken file back, and deliver the rows of a day."""
    (publisher.folder / "broken.csv").unlink(missing_ok=True)
    usual(publisher, day)


def collapsed(publisher: Publisher, day: int) -> None:
    """Deliver a few rows, as an export that was cut short."""
    publisher.write(name_of(day), publisher.rows(FEW_ROWS))


def again(publisher: Publisher, day: int) -> None:
    """Deliver the newest file under a new name."""
    newest = max(publisher.folder.glob("day-*.csv"))
    partial = publisher.folder / ".again"
    partial.write_bytes(newest.read_bytes())
    partial.rename(publisher.folder / name_of(day))


def mislabeled(publisher: Publisher, day: int) -> None:
    """Deliver advertisements with wrong labels, as a feed that somebody poisons."""
    publisher.write("spam.csv", advertisements(OTHER_ROWS))


def withdrawn(publisher: Publisher, day: int) -> None:
    """Take the mislabeled file back, and deliver the rows of a day."""
    (publisher.folder / "spam.csv").unlink(missing_ok=True)
    usual(publisher, day)


def other_domain(publisher: Publisher, day: int) -> None:
    """Deliver the rows of the other domain with their labels."""
    publisher.write("other.csv", publisher.other)

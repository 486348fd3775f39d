"""Make the files that docs/data.md and docs/tutorial.md read.

The rows are in an invented language; a few are wrong on purpose.

``python docs/make_rows.py`` writes reviews.csv, names.conll and shop.db into
the current folder; ``python docs/make_rows.py later`` adds a week's rows.
"""

import random
import sqlite3
import sys
from pathlib import Path

GOOD = ("lumo", "sela", "nuri")
BAD = ("grak", "dosh", "vek")
PLAIN = ("ta", "mi", "ro", "ku", "pe", "so", "li", "da")
NAMES = ("Kalo Bren", "Ursa", "Tembo Sil", "Fara")


def review(number: int, chance: random.Random) -> tuple[str, str]:
    """Make a text and its label, which two of its words decide."""
    label = chance.choice(("neg", "pos"))
    words = [*chance.choices(PLAIN, k=6), *chance.choices(GOOD if label == "pos" else BAD, k=2)]
    chance.shuffle(words)
    return " ".join([*words, f"n{number}"]), label


def sentence(number: int, chance: random.Random) -> str:
    """Make a sentence with a name in it, one token a line."""
    lines = [f"{word} O" for word in (f"n{number}", *chance.choices(PLAIN, k=chance.randint(2, 6)))]
    for index, word in enumerate(chance.choice(NAMES).split()):
        lines.append(f"{word} {'I' if index else 'B'}-PER")
    return "\n".join(lines) + "\n\n"


def write_first(folder: Path) -> None:
    """Write all three files, with some rows that must be rejected."""
    chance = random.Random(0)
    rows = [review(number, chance) for number in range(600)]
    faulty = [
        ("", "pos"),
        ("mi lumo ta", "postive"),
        rows[0],
        (rows[1][0], "neg" if rows[1][1] == "pos" else "pos"),
    ]
    lines = [f"{text},{label}" for text, label in [*rows, *faulty]]
    (folder / "reviews.csv").write_text("\n".join(["body,stars", *lines]) + "\n", encoding="utf-8")
    sentences = [sentence(number, chance) for number in range(400)]
    (folder / "names.conll").write_text(
        "".join([*sentences, "mi O\nFara I-PER\n\n"]), encoding="utf-8"
    )
    with sqlite3.connect(folder / "shop.db") as database:
        database.execute(
            "create table review (id integer primary key, body text, stars text, changed_at text)"
        )
        stamped = [
            (number, text, label, f"2026-01-01 00:{number // 60:02}:{number % 60:02}")
            for number, (text, label) in enumerate(rows)
        ]
        database.executemany("insert into review values (?, ?, ?, ?)", stamped)


def write_later(folder: Path) -> None:
    """Add the rows of a week later: a second file, new rows of the table, and a missing one."""
    chance = random.Random(1)
    rows = [review(number, chance) for number in range(1000, 1200)]
    lines = [f"{text},{label}" for text, label in rows]
    (folder / "reviews-2.csv").write_text(
        "\n".join(["body,stars", *lines]) + "\n", encoding="utf-8"
    )
    with sqlite3.connect(folder / "shop.db") as database:
        stamped = [
            (number, text, label, f"2026-01-08 00:00:{number % 60:02}")
            for number, (text, label) in enumerate(rows, start=1000)
        ]
        database.executemany("insert into review values (?, ?, ?, ?)", stamped)
        database.execute("delete from review where id = 7")


if __name__ == "__main__":
    (write_later if sys.argv[1:] == ["later"] else write_first)(Path.cwd())

"""Ledger lines of a model: written completely, numbered, and read as a list of champions."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.promotion.ledger import FOUND, KEPT, PROMOTED, ROLLED_BACK, Ledger, Line, give_up


def line(number: int, event: str, champion: str, version: str = "") -> Line:
    return Line(
        number=number,
        event=event,
        version=version or champion,
        champion=champion,
        replaced="",
        previous="",
        when="2024-01-01T00:00:00+00:00",
        why="wéll",
        flow_run="",
        flow_run_url="",
        person="joe@here",
        scores={"accuracy": 50.0},
    )


def ledger(*events: tuple[str, str]) -> Ledger:
    return Ledger("made", tuple(line(number, *event) for number, event in enumerate(events, 1)))


def written(*lines: Line) -> Ledger:
    found = Ledger.of("made")
    for each in lines:
        found.begin(each)
        found = found.finish(each)
    return found


def test_model_without_a_decision_has_an_empty_ledger(store: Path) -> None:
    empty = Ledger.of("made")
    assert (empty.lines, empty.champion, empty.reign, empty.pending) == ((), "", [], None)


def test_ledger_lines_are_read_back_in_order(store: Path) -> None:
    lines = [line(number, PROMOTED, str(number)) for number in range(1, 12)]
    assert written(*lines).lines == tuple(lines) == Ledger.of("made").lines
    assert Ledger.of("other").lines == ()


def test_unfinished_line_is_pending_and_does_not_count(store: Path) -> None:
    first, second = line(1, PROMOTED, "1"), line(2, PROMOTED, "2")
    found = written(first)
    found.begin(second)
    again = Ledger.of("made")
    assert (again.lines, again.champion, again.pending) == ((first,), "1", second)
    again.drop(second)
    assert Ledger.of("made").pending is None


def test_truncated_line_is_ignored(store: Path) -> None:
    first = line(1, PROMOTED, "1")
    written(first)
    (store / "ledger" / "made" / "000002.partial").write_text('{"number": 2, "ev')
    assert (Ledger.of("made").lines, Ledger.of("made").pending) == ((first,), None)
    written(replace(first, number=2))
    assert len(Ledger.of("made").lines) == 2


def test_line_number_is_never_used_twice(store: Path) -> None:
    one, other = line(1, PROMOTED, "1"), line(1, PROMOTED, "2")
    written(one)
    stale = Ledger("made", ())
    stale.begin(other)
    with pytest.raises(OSError, match=r"000001.json is there already"):
        stale.finish(other)
    assert Ledger.of("made").lines == (one,)


def test_next_line_follows_the_last_number_despite_gaps(store: Path) -> None:
    written(*(line(number, PROMOTED, str(number)) for number in range(1, 4)))
    (store / "ledger" / "made" / "000002.json").unlink()
    with pytest.raises(OSError, match=r"000002.json is missing, expected 3 lines"):
        Ledger.of("made")
    give_up("made")
    made = Ledger.of("made").next_line(PROMOTED, "9", "9", "better", scores={"accuracy": 51.0})
    assert (made.number, made.champion, made.replaced, made.scores) == (
        4,
        "9",
        "3",
        {"accuracy": 51.0},
    )
    assert made.when.endswith("+00:00")
    assert "@" in made.person
    assert (made.flow_run, made.flow_run_url) == ("", "")


def test_line_that_keeps_the_champion_replaces_no_version(store: Path) -> None:
    made = ledger((PROMOTED, "1")).next_line(KEPT, "2", "1", "not better", scores={})
    assert (made.version, made.champion, made.replaced) == ("2", "1", "")


def test_ledger_line_is_readable_json(store: Path) -> None:
    written(line(1, PROMOTED, "1"))
    text = (store / "ledger" / "made" / "000001.json").read_text(encoding="utf-8")
    assert json.loads(text)["champion"] == "1"
    assert "wéll" in text


@pytest.mark.parametrize(
    ("events", "reign"),
    [
        ([(PROMOTED, "1"), (PROMOTED, "2"), (PROMOTED, "3")], ["1", "2", "3"]),
        ([(PROMOTED, "1"), (KEPT, "1"), (PROMOTED, "3")], ["1", "3"]),
        ([(PROMOTED, "1"), (PROMOTED, "2"), (ROLLED_BACK, "1")], ["1"]),
        (
            [
                (PROMOTED, "1"),
                (PROMOTED, "2"),
                (PROMOTED, "3"),
                (ROLLED_BACK, "2"),
                (ROLLED_BACK, "1"),
            ],
            ["1"],
        ),
        ([(PROMOTED, "1"), (PROMOTED, "2"), (PROMOTED, "3"), (ROLLED_BACK, "1")], ["1"]),
        ([(PROMOTED, "1"), (PROMOTED, "2"), (ROLLED_BACK, "1"), (ROLLED_BACK, "2")], ["1", "2"]),
        ([(PROMOTED, "1"), (PROMOTED, "2"), (PROMOTED, "1")], ["2", "1"]),
        ([(FOUND, "4"), (PROMOTED, "5"), (FOUND, "4")], ["4"]),
        ([(PROMOTED, "1"), (FOUND, ""), (PROMOTED, "2")], ["1", "2"]),
    ],
)
def test_reign_omits_versions_that_were_rolled_back(
    events: list[tuple[str, str]], reign: list[str]
) -> None:
    assert ledger(*events).reign == reign


@given(
    st.lists(
        st.tuples(st.sampled_from([PROMOTED, ROLLED_BACK, FOUND]), st.sampled_from("12345")),
        min_size=1,
    )
)
def test_champion_is_the_last_of_a_reign_without_duplicates(
    events: list[tuple[str, str]],
) -> None:
    found = ledger(*events)
    assert found.reign[-1] == found.champion
    assert len(set(found.reign)) == len(found.reign)


def test_latest_scores_of_a_version_are_found(store: Path) -> None:
    older, newer = line(1, PROMOTED, "1"), replace(line(2, KEPT, "1"), scores={"accuracy": 60.0})
    found = Ledger("made", (older, newer, replace(line(3, KEPT, "1"), scores={})))
    assert found.scores_of("1") == {"accuracy": 60.0}
    assert found.scores_of("2") == {}

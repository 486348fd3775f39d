"""ABC notation: valid tunes, faults with reasons, and MIDI."""

from fractions import Fraction
from pathlib import Path

import pytest

from data.errors import RowError
from data.formats.abc_notation import Bar, bar_faults, faults, write_midi

HEADER = "X:1\nT:Lumo\nM:6/8\nL:1/8\nK:G\n"
TUNE = HEADER + "D|GAB d2B|AGA B2D|GAB d2B|A3 G2:|\nd|e2d BGB|A2G E2D|GAB d2B|A3 G2|]\n"


def test_valid_tune_has_no_faults() -> None:
    assert faults(TUNE) == []


@pytest.mark.parametrize(
    "music",
    [
        "GAB d2B|",  # one bar
        "G6|A6|B3 d3|G2B d2|]",  # the last is short
        "|:D|GAB d2B|A3 G2:|: d|e2d B2A|A3 G2:|",  # pick-ups of both parts
        "GAB d2B|[1 A3 G3:|[2 A3 G2D|GAB d2B|]",  # endings
        "(3GAB G d2B|G/A/B/c/d B3|G>A B d2B|G2<A2 B2|",  # triplets, halves, dotted pairs
        "[GBd]3 [GB]3|z3 G3|x6|{gf}G3 ~A3|.G.A.B "
        "(d2B)|",  # chords, rests, grace notes, decorations, slurs
        '"Em"GAB "G"d2B|!trill!G3 A3|G6|',
        "GAB d2B|[M:2/4]GA Bc|[M:6/8]GAB d2B|",  # another meter within a line
        "GAB d2B|\nM:2/4\nGA Bc|\nM:6/8\nGAB d2B|",  # and between lines
        "^G_A=B d,2B'|G,,3 g''3|% and so on\nG3-G3|!\nGAB d2B|",
        "GAB d2|B GAB d2|B6|",  # a bar cut in two by the end of a line
    ],
)
def test_valid_notations_have_no_faults(music: str) -> None:
    assert faults(HEADER + music) == []


@pytest.mark.parametrize(
    ("tune", "fault"),
    [
        ("", "line 1: expected X: and a number, got ''"),
        ("lumo sela nuri", "line 1: expected X: and a number, got 'lumo sela nuri'"),
        ("T:Lumo\nX:1\nK:G\nG8|", "line 1: expected X: and a number, got 'T:Lumo'"),
        ("X:one\nK:G\nG8|", "line 1: X: expected a number, got 'one'"),
        ("X:1\nT:Lumo\nGAB|", "there is no K:, which ends the header"),
        ("X:1\nGAB|\nK:G\nG8|", "line 2: expected a field before K:, got 'GAB|'"),
        (
            HEADER.replace("K:G", "K:Hmaj") + "G6|",
            "line 5: K: expected a key, such as G or A dorian, got 'Hmaj'",
        ),
        (
            HEADER.replace("6/8", "6/7") + "G6|",
            "line 3: M: expected a meter, such as 6/8, got '6/7'",
        ),
        (HEADER.replace("1/8", "8") + "G6|", "line 4: L: expected a length, such as 1/8, got '8'"),
        (HEADER + "G6|\nX:2\nG6|", "line 7: X: begins a tune, and stands there again"),
        (HEADER, "there is no note"),
        (HEADER + "z6|", "there is no note"),
        (HEADER + "GAB dkB|", "line 6: 'k' is no note nor anything else of ABC"),
        (HEADER + "GAB d?B|", "line 6: '?' is no note nor anything else of ABC"),
        (HEADER + "G99999999|", "line 6: '99999999' is no note nor anything else of ABC"),
        (HEADER + "[GB d2B|G6|", "line 6: 1 [ and 0 ]"),
        (HEADER + "{GB d2B|G6|", "line 6: 1 { and 0 }"),
        (HEADER + "G6|GAB d3B|G6|", "bar 2: 7/2 quarter notes, its meter has 3"),
        (HEADER + "G6|GAB d2|G6|G6|", "bar 2: 5/2 quarter notes, its meter has 3"),
        (
            HEADER.replace("M:6/8", "M:C") + "G6|G8|G6|G8|",
            "bar 3: 3 quarter notes, its meter has 4",
        ),
    ],
)
def test_fault_names_its_line(tune: str, fault: str) -> None:
    assert fault in faults(tune)


def test_fault_found_only_by_the_library_is_reported() -> None:
    (fault,) = faults(HEADER + "(3")[-1:]
    assert fault == "there is no note"
    (fault,) = faults(HEADER + "G6/0|")
    assert fault.startswith("music21 does not read it: ")


def test_number_of_reported_faults_is_limited() -> None:
    assert len(faults(HEADER + "G7|" * 40)) == 5


def bars(*lengths: int, ends: tuple[int, ...] = (), whole: int = 3) -> list[Bar]:
    return [
        Bar(Fraction(length), Fraction(whole), index in ends)
        for index, length in enumerate(lengths)
    ]


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        (bars(1, 3, 3, 2), []),
        (bars(3, 2, 3, 3), [2]),
        (bars(3, 2, 1, 3), []),
        (bars(3, 2, 2, 3), [2, 3]),
        (bars(3, 2, 1, 3, ends=(1,)), []),
        (bars(4, 3, 3, 4), [1, 4]),
        (bars(3, 4, 3, ends=(1,)), [2]),
        (bars(3, 5, 1, 3, whole=0), []),
        ([], []),
    ],
)
def test_bars_match_the_meter_or_complete_each_other(found: list[Bar], wrong: list[int]) -> None:
    assert [message.split(":")[0] for message in bar_faults(found)] == [
        f"bar {number}" for number in wrong
    ]


def notes_of(midi: Path) -> list[tuple[int, float]]:
    """Key numbers and lengths in quarter notes, read from the file's own bytes by hand."""
    content = midi.read_bytes()
    assert content[:4] == b"MThd"
    per_quarter = int.from_bytes(content[12:14])
    events = []
    tracks = content.split(b"MTrk")[1:]
    for track in tracks:
        at = 0
        i = 0
        status = 0
        data = track[4:]
        while i < len(data):
            delta = 0
            while True:
                byte = data[i]
                i = i + 1
                delta = delta << 7 | byte & 0x7F
                if byte < 0x80:
                    break
            at += delta
            if data[i] & 0x80:
                status = data[i]
                i = i + 1
            if status == 0xFF:
                i += 2 + data[i + 1]
            elif status >> 4 in (0xC, 0xD):
                i += 1
            else:
                if status >> 4 in (8, 9):
                    events.append((at, status >> 4 == 9 and data[i + 1] > 0, data[i]))
                i += 2
    begun = {}
    found = []
    for at, is_on, key in sorted(events, key=lambda event: (event[0], event[1])):
        if is_on:
            begun[key] = at
        else:
            found.append((begun.pop(key), key, at))
    return [(key, (stop - start) / per_quarter) for start, key, stop in sorted(found)]


def test_midi_file_has_the_notes_and_their_lengths(tmp_path: Path) -> None:
    write_midi("X:1\nM:2/4\nL:1/8\nK:D\nDF A2|c^c/B/ =c2|]", tmp_path / "tune.mid")
    # In D major F and C are sharp; ^c lasts to the bar's end; =c is natural.
    assert notes_of(tmp_path / "tune.mid") == [
        (62, 0.5),
        (66, 0.5),
        (69, 1.0),
        (73, 0.5),
        (73, 0.25),
        (71, 0.25),
        (72, 1.0),
    ]


def test_midi_file_plays_repeats(tmp_path: Path) -> None:
    write_midi("X:1\nM:2/4\nL:1/4\nK:C\n|:C2|D2:|E2|F2|]", tmp_path / "tune.mid")
    assert [key for key, _ in notes_of(tmp_path / "tune.mid")] == [60, 62, 60, 62, 64, 65]


def test_invalid_tune_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(
        RowError, match="not a valid tune: line 1: expected X: and a number, got 'lumo'"
    ):
        write_midi("lumo", tmp_path / "tune.mid")
    assert list(tmp_path.iterdir()) == []


def test_missing_library_raises_with_the_command_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "music21", None)
    with pytest.raises(RowError, match=r"pip install 'refrain-rnn\[music\]'"):
        faults(TUNE)

"""Reported inputs, of this project and of others, and whether each gets the right answer.

A test that shows one carries ``@pytest.mark.case(NUMBER)``; the further tests of a number are
siblings: the same kind of fault in another format, source, problem or command. A case is right if
it has a test and all of its tests pass.
"""

import sys
from collections import defaultdict

import pytest

from benchmarks.lib.figures import Figure, figure, main, require_clean_tree, write

CASES = {
    "01": "labels that look alike",
    "02": "words for missing values",
    "03": "files joined with their headers",
    "04": "backslash before quotes",
    "05": "copies with invisible characters",
    "06": "a day without rows",
    "07": "each export holds all rows",
    "08": "replaced with the same time and size",
    "09": "a zip of a Mac",
    "10": "not packed as named",
    "11": "first line of a spreadsheet",
    "12": "tags are numbers",
    "13": "document mark within a sentence",
    "14": "spans of an annotation tool",
    "16": "odd names",
    "18": "an experiment in MLflow's bin",
    "19": "a store that moved",
    "20": "special characters in the path",
    "22": "an ASCII terminal",
    "24": "predictions beside the texts",
    "25": "half a character",
    "28": "raw text against tokens",
    "38": "a text that begins with a dash",
    "39": "label in the path",
    "41": "generic package names",
    "42": "a file of faults alone",
    "43": "a server that does not answer",
    "45": "one dataset stops the others",
    "46": "a proxy",
}
COMMAND = "python -m benchmarks.cases"


class Outcomes:
    """A pytest plugin that notes how the tests of each case ended."""

    def __init__(self) -> None:
        self.numbers: dict[str, list[str]] = {}
        self.passed: dict[str, list[bool]] = defaultdict(list)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note which cases a test shows."""
        for item in items:
            self.numbers[item.nodeid] = [str(mark.args[0]) for mark in item.iter_markers("case")]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the outcome of a test; a failed or skipped set-up counts as well."""
        if report.when == "call" or not report.passed:
            for number in self.numbers[report.nodeid]:
                self.passed[number].append(report.passed)


def measure() -> list[Figure]:
    """Run the tests of all cases."""
    outcomes = Outcomes()
    pytest.main(["-q", "-m", "case", "-p", "no:cacheprovider", *sys.argv[1:]], plugins=[outcomes])
    right = [number for number in CASES if outcomes.passed[number] and all(outcomes.passed[number])]
    for number in CASES.keys() - set(right):
        print(
            f"case {number}, {CASES[number]}: {'FAILED' if outcomes.passed[number] else 'no test'}"
        )
    num = sum(len(outcomes.passed[number]) for number in CASES)
    siblings = num - len(right)
    note = "reported inputs; each has at least one test"
    return [
        figure(
            "cases",
            len(CASES),
            unit="cases",
            goal=len(CASES),
            better="higher",
            command=COMMAND,
            note=note,
        ),
        figure(
            "cases_right",
            len(right),
            unit="cases",
            goal=len(CASES),
            better="higher",
            command=COMMAND,
            note="of these, all of whose tests pass",
        ),
        figure(
            "siblings_tried",
            siblings,
            unit="tests",
            goal=len(CASES),
            better="higher",
            command=COMMAND,
            note="further tests of the same kinds, in other formats, sources, problems and "
            "commands",
        ),
    ]


if __name__ == "__main__":
    require_clean_tree()  # before minutes of measuring, not only after
    write("cases", measure())
    main()

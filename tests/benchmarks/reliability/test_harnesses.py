"""The counts of the security harnesses: leaked secrets, outgoing connections, wrong answers."""

import random
from itertools import islice
from pathlib import Path

import pytest

from benchmarks.reliability.airgap import attempts
from benchmarks.reliability.secrets import MARKS, forms, marks_in
from benchmarks.reliability.serve_fuzz import fault, requests


@pytest.mark.parametrize("name", MARKS)
def test_secret_is_found_in_each_encoding_and_only_as_a_whole(name: str) -> None:
    for form in forms(MARKS[name]):
        assert marks_in(b"before " + form + b" after") == [name]
    assert marks_in(b"nothing") == []


def test_only_connections_that_leave_the_machine_are_attempts(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text(
        '1 connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16)'
        "\n"
        '2 connect(3, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.1")}, 16)'
        "\n"
        "3 connect(3, {sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0), "
        'inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}, 28)\n'
        "4 connect(3, {sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0), "
        'inet_pton(AF_INET6, "2001:db8::1", &sin6_addr), sin6_scope_id=0}, 28)\n'
        '5 connect(3, {sa_family=AF_UNIX, sun_path="/run/x"}, 110)\n'
    )
    assert attempts(trace) == ["10.0.0.1 port 53", "2001:db8::1 port 443"]


@pytest.mark.parametrize(
    ("status", "text", "is_right"),
    [
        (200, "", True),
        (400, '{"message": "row 1 is empty"}', True),
        (400, '{"message": "two\\nlines"}', False),
        (400, '{"message": "x", "stack_trace": "Traceback (most recent call last)"}', False),
        (400, "not JSON", False),
        (500, '{"message": "x"}', False),
        (504, "", False),
        (0, "refused", False),
    ],
)
def test_answer_counts_as_valid_if_it_is_a_prediction_or_a_sentence(
    status: int, text: str, is_right: bool
) -> None:
    assert (fault(status, text) == "") == is_right


def test_requests_are_seeded_and_of_many_kinds() -> None:
    first, again = (list(islice(requests(random.Random(1)), 38)) for _ in range(2))
    assert first == again
    assert len({request.name for request in first}) == 19

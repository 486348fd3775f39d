"""What a served model answers to requests that are wrong, large, deep or random.

``python -m benchmarks.reliability.serve_fuzz`` trains the model of ``refrain init`` for an epoch,
starts ``refrain serve`` and sends it 400 requests (``--requests N``) from a fixed seed. Each must
get a status of 200, or of 400 to 499 with one sentence; the process must live on and give its
memory back. ``--dry`` prints without writing.
"""

import argparse
import contextlib
import http.client
import json
import random
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.lib.figures import Figure, figure
from benchmarks.reliability.outcome import finish
from benchmarks.reliability.small_project import (
    MODEL,
    SHORT,
    checked,
    command,
    make_project,
    refrain,
    surroundings,
)
from refrain.services import free_port

COMMAND = "python -m benchmarks.reliability.serve_fuzz"
JSON = "application/json"
GOOD = {"dataframe_records": [{"text": "works as described"}]}
SECONDS = 5.0  # of a request
MOST_SECONDS = 60.0  # the time after which MLflow itself answers with status 504
START_SECONDS = 300.0


@dataclass(frozen=True)
class Request:
    """A request, by a name of its kind."""

    name: str
    body: bytes
    kind: str | None = JSON


def requests(chance: random.Random) -> Iterator[Request]:
    """Make requests without an end."""
    good = json.dumps(GOOD).encode()
    word = ["works ", "broken ", "\u4e2d", "\U0001f600", "a\u0301", "\x00", "\n"]
    while True:
        depth = chance.choice((19, 21, 100, 1_000, 5_000, 100_000))
        yield Request("nested lists", b"[" * depth + b"]" * depth)
        yield Request(
            "nested rows", b'{"dataframe_records": [{"text": ' + b'{"a":' * depth + b"1}" * depth
        )
        yield Request("no type of content", good, None)
        yield Request("another type", good, chance.choice(("", "text/html", "a/b; c", ";", "JSON")))
        yield Request("parquet", chance.randbytes(500), "application/vnd.apache.parquet")
        text = chance.choice(word) * chance.choice((1, 1_000, 99_000, 1_000_000))
        yield Request("long text", _rows([text]))
        num = chance.choice((10, 1_000, 20_000))
        yield Request("many rows", _rows(["works well"] * num))
        yield Request("a megabyte of words in ten rows", _rows([chance.choice(word) * 16_000] * 10))
        yield Request("longest rows", _rows(["works " * 16_000] * 20))
        yield Request("random bytes", chance.randbytes(chance.choice((0, 1, 100, 100_000))))
        yield Request("large", b" " * (11 << 20) + good)
        yield Request(
            "csv",
            chance.choice((b"text\nworks\n", b'text\n"works', b"\xff", b"", b"a,b")),
            "text/csv",
        )
        broken = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        yield Request("changed bytes", bytes(broken))
        odd = chance.choice((None, 1e999, -1, [], {}, True, ["a"], {"a": 1}, "\ud800", 10**400))
        yield Request("odd text", json.dumps({"dataframe_records": [{"text": odd}]}).encode())
        yield Request("odd rows", json.dumps({"dataframe_records": odd}).encode())
        yield Request("odd params", json.dumps(GOOD | {"params": odd}).encode())
        yield Request("odd threshold", json.dumps(GOOD | {"params": {"threshold": odd}}).encode())
        columns = {"columns": ["text"] * chance.randint(0, 3), "data": [["works"], odd]}
        yield Request("split", json.dumps({"dataframe_split": columns}).encode())
        yield Request(
            "odd inputs", json.dumps({chance.choice(("inputs", "instances")): odd}).encode()
        )


def _rows(texts: list[str]) -> bytes:
    return json.dumps({"dataframe_records": [{"text": text} for text in texts]}).encode()


def send(port: int, request: Request) -> tuple[int, str]:
    """Send a request; the status 0 stands for no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2 * MOST_SECONDS)
    headers = {} if request.kind is None else {"Content-Type": request.kind}
    try:
        connection.request("POST", "/invocations", request.body, headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    except OSError as error:
        return 0, str(error)
    finally:
        connection.close()


def fault(status: int, text: str) -> str:
    """Describe what is wrong with an answer; empty if it is right."""
    if status == 200:
        return ""
    if not 400 <= status < 500:
        return f"status {status}: {text[:200]}"
    try:
        message = json.loads(text)["message"]
    except (ValueError, KeyError, TypeError):
        return f"status {status} without a message: {text[:200]}"
    is_sentence = message and "\n" not in message and "Traceback" not in text and len(text) < 1_000
    return "" if is_sentence else f"status {status} with more than a sentence: {text[:200]}"


@contextlib.contextmanager
def served(project: Path, log: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Serve the model of a project; give the port and the process."""
    port = free_port()
    words = ("serve", f"{MODEL}/1", "--port", str(port), "--seconds", f"{SECONDS:g}")
    with log.open("wb") as file:
        process = subprocess.Popen(
            command(*words), cwd=project, env=surroundings(project), stdout=file, stderr=file
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while send(port, Request("good", json.dumps(GOOD).encode()))[0] != 200:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the model is not served:\n{log.read_text()[-3000:]}")
            time.sleep(0.5)
        yield port, process
    finally:
        process.terminate()
        process.wait(60)


def resident_mib(process: int) -> float:
    """Return the memory that a process holds."""
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    return float(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024


def fuzz(folder: Path, num: int) -> tuple[int, float, float]:
    """Send requests; return wrong answers, and megabytes before and after."""
    project = make_project(folder)
    checked(refrain(project, "run", MODEL, *SHORT))
    num_wrong = 0
    statuses: Counter[tuple[str, int]] = Counter()
    source = requests(random.Random(18))
    good = Request("good", json.dumps(GOOD).encode())
    with served(project, folder / "log") as (port, process):
        before = resident_mib(process.pid)
        for _ in range(num):
            request = next(source)
            started = time.monotonic()
            status, text = send(port, request)
            statuses[request.name, status] += 1
            found = fault(status, text)
            if not found and time.monotonic() - started > MOST_SECONDS:
                found = f"it took {time.monotonic() - started:.0f} s"
            if found:
                num_wrong += 1
                print(f"{request.name}: {found}", flush=True)
        if send(port, good)[0] != 200 or process.poll() is not None:
            num_wrong += 1
            print("a good request is not answered any more")
        after = resident_mib(process.pid)
    for (name, status), count in sorted(statuses.items()):
        print(f"{name:<34}{status:>5}{count:>6}")
    return num_wrong, before, after


def measure(num: int) -> list[Figure]:
    """Count the wrong answers."""
    with tempfile.TemporaryDirectory(prefix="refrain-fuzz-") as folder:
        num_wrong, before, after = fuzz(Path(folder), num)
    note = (
        f"{num} requests; neither 200 nor 400 to 499 with one sentence, or no answer; "
        f"{before:.0f} MB before, {after:.0f} MB after"
    )
    return [
        figure(
            "serve_fuzz_500s",
            num_wrong,
            unit="requests",
            goal=0,
            better="lower",
            command=COMMAND,
            note=note,
        )
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=400, help="how many are sent")
    parser.add_argument("--dry", action="store_true", help="print without writing")
    chosen = parser.parse_args()
    finish(partial(measure, chosen.requests))

"""Marked secrets through every path, and where they are found afterwards.

``python -m benchmarks.reliability.secrets`` gives Refrain a secret of its own for each path:
options and addresses of files, a database, the package index, MLflow and Prefect. The first servers
answer, the others fail. Then it looks for the secrets in every form in what the commands printed,
in the store, in MLflow's database and artifacts, and in the list of processes. ``--dry`` prints
without writing.
"""

import base64
import contextlib
import http.server
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from benchmarks.lib.figures import Figure, figure
from benchmarks.reliability.outcome import finish
from benchmarks.reliability.small_project import MODEL, SHORT, make_project, refrain, surroundings
from refrain.services import free_port

COMMAND = "python -m benchmarks.reliability.secrets"
START_SECONDS = 300
NAMES = ("HEADER", "QUERY", "FILE", "DATABASE", "WHOLE", "INDEX", "TRACKING", "API", "AUTH")
# A character that addresses write in another way, so that each form is looked for.
MARKS = {name: f"Mark{name.title()}+{number}x7/q" for number, name in enumerate(NAMES)}


def forms(mark: str) -> set[bytes]:
    """Return a secret as text, in addresses and in headers."""
    whole = base64.b64encode(f"refrain:{mark}".encode()).decode()
    return {form.encode() for form in (mark, quote(mark), quote(mark, safe=""), whole)}


class Rows(http.server.BaseHTTPRequestHandler):
    """Rows for those who know the header's secret; others get an error that repeats theirs."""

    def do_GET(self) -> None:
        """Answer a request."""
        is_known = self.headers.get("X-Api-Key") == MARKS["HEADER"]
        body = (Path(self.server.folder) / "reviews.csv").read_bytes()  # type: ignore[attr-defined]
        self.send_response(200 if is_known else 403, None if is_known else f"no {self.path}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815, the library calls it

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextlib.contextmanager
def rows_server(folder: Path) -> Iterator[str]:
    """Serve the rows of a project."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Rows) as server:
        server.folder = folder  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@contextlib.contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """Run an MLflow server; give its host and port."""
    port = free_port()
    folder.mkdir()
    words = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    store = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    files = ["--artifacts-destination", (folder / "artifacts").as_uri()]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *words, *store, *files],
            cwd=folder,
            env=surroundings(folder, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"),
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            if time.monotonic() > deadline:
                raise SystemExit((folder / "log").read_text()[-2000:])
            time.sleep(0.5)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def write_catalog(project: Path, rows: str) -> None:
    """Write entries that use a secret each, beside those of the project."""
    catalog: dict[str, Any] = yaml.safe_load((project / "catalog.yaml").read_text())
    entry: dict[str, Any] = catalog[MODEL]
    closed = free_port()

    def files(path: str, **options: Any) -> dict[str, Any]:
        return entry | {"source": {"kind": "files", "paths": {"all": path}, "options": options}}

    def table(url: str) -> dict[str, Any]:
        kept = {name: value for name, value in entry.items() if name != "format"}
        return kept | {"source": {"kind": "sql", "url": url, "table": "reviews"}}

    key = {"headers": {"X-Api-Key": "${env:HEADER}"}}
    package = {
        "kind": "package",
        "package": "a",
        "version": "1",
        "file": "a.whl",
        "sha256": "0" * 64,
    }
    catalog |= {
        "by_header": files(f"http://{rows}/reviews.csv", **key),
        "by_query": files(f"http://{rows}/reviews.csv?token=${{env:QUERY}}"),
        "by_user": files(f"http://reader:${{env:FILE}}@127.0.0.1:{closed}/reviews.csv"),
        "by_database": table(f"postgresql://reader:${{env:DATABASE}}@127.0.0.1:{closed}/shop"),
        "by_whole": table("${env:WHOLE}"),
        "by_index": entry | {"source": package | {"members": {"all": "reviews.csv"}}},
    }
    (project / "catalog.yaml").write_text(yaml.safe_dump(catalog))


class Processes(threading.Thread):
    """A watch on the list of processes: the command lines that hold a secret."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.found: set[str] = set()
        self.is_over = threading.Event()

    def run(self) -> None:
        """Look at all command lines, ten times a second."""
        while not self.is_over.wait(0.1):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    line = path.read_bytes()
                    self.found |= {f"a command line: {name}" for name in marks_in(line)}


def marks_in(content: bytes) -> list[str]:
    """List the secrets that stand in some bytes, by their names."""
    return [name for name, mark in MARKS.items() if any(form in content for form in forms(mark))]


def run_all(folder: Path) -> list[str]:
    """Run a command for each path; return where a secret was found."""
    project = make_project(folder)
    closed = f"127.0.0.1:{free_port()}"
    index = f"http://reader:{quote(MARKS['INDEX'], safe='')}@{closed}/simple"
    secrets = {name: MARKS[name] for name in ("HEADER", "QUERY", "FILE", "DATABASE")}
    secrets["WHOLE"] = f"postgresql://r:{quote(MARKS['WHOLE'], safe='')}@{closed}/shop"
    password = quote(MARKS["TRACKING"], safe="")
    printed: dict[str, str] = {}

    def run(name: str, *words: str, **more: str) -> None:
        done = refrain(project, *words, prefix=(), **more)
        printed[name] = done.stdout + done.stderr
        print(f"{name:<28} status {done.returncode}", flush=True)
        leaks = [line for line in printed[name].splitlines() if marks_in(line.encode())]
        print("".join(f"    {line}\n" for line in leaks), end="")

    watch = Processes()
    watch.start()
    with rows_server(project) as rows, mlflow_server(folder / "mlflow") as mlflow:
        write_catalog(project, rows)
        tracking = f"http://refrain:{password}@{mlflow}"
        run("tracked", "run", "by_header", *SHORT, MLFLOW_TRACKING_URI=tracking, **secrets)
        run("models", "models", MLFLOW_TRACKING_URI=tracking)
        run("predict", "predict", "by_header/1", "works", MLFLOW_TRACKING_URI=tracking)
        for name in ("by_query", "by_user", "by_database", "by_whole"):
            run(name, "check", name, **secrets)
        run("by_index", "check", "by_index", PIP_INDEX_URL=index)
        down = f"http://refrain:{password}@{closed}"
        lost = {"MLFLOW_TRACKING_URI": down, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
        run("MLflow is down", "models", **lost)
        run("training, MLflow is down", "run", MODEL, *SHORT, **lost)
        api = f"http://refrain:{quote(MARKS['API'], safe='')}@{closed}/api"
        auth = f"refrain:{MARKS['AUTH']}"
        run("Prefect is down", "run", MODEL, PREFECT_API_URL=api, PREFECT_API_AUTH_STRING=auth)
    watch.is_over.set()
    found = [
        f"printed by {name}: {mark}"
        for name, text in printed.items()
        for mark in marks_in(text.encode())
    ]
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            where = path.relative_to(folder)
            found += [f"{where}: {mark}" for mark in marks_in(path.read_bytes())]
    return [*found, *sorted(watch.found)]


def measure() -> list[Figure]:
    """Count the places where a secret was found."""
    with tempfile.TemporaryDirectory(prefix="refrain-secrets-") as folder:
        found = run_all(Path(folder))
    print(*found, sep="\n")
    return [
        figure(
            "secrets_leaked",
            len(found),
            unit="places",
            goal=0,
            better="lower",
            command=COMMAND,
            note=f"{len(MARKS)} secrets of files, databases, the index, MLflow and Prefect; "
            "looked for in what was printed, files, databases and command lines",
        )
    ]


if __name__ == "__main__":
    finish(measure)

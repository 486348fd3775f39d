"""A real PostgreSQL for the tests: on this machine, in a folder that is removed at the end."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DEBIAN = Path("/usr/lib/postgresql")
ADVICE = "Install it: apt-get install postgresql (or put initdb and postgres on PATH)"
START_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """The address of a server, and a user who may log in with a password."""

    port: int
    user: str
    password: str
    pid: int

    def url(self, password: str) -> str:
        """An address with this password, or with a reference in its place."""
        return f"postgresql+psycopg://{self.user}:{password}@127.0.0.1:{self.port}/postgres"


@contextmanager
def postgres(cache: Path) -> Iterator[Server]:
    """Start a server with one user and password (scram); end it by its process id.

    Args:
        cache: A folder where binaries are kept, if none are installed.
    """
    user = _server_user()
    with tempfile.TemporaryDirectory(prefix="refrain-postgres-", dir=_parent(user)) as name:
        folder = Path(name)
        binaries = _reachable(find_postgres(cache), folder, user)
        if user:
            shutil.chown(folder, user)
        environ = _environment(binaries)
        password = "p@ss/w:rd%" + secrets.token_hex(
            8
        )  # with signs that mean something in an address
        _make_cluster(binaries, folder, password, user=user, environ=environ)
        port = _free_port()
        process = subprocess.Popen(
            _command(binaries, folder, port),
            user=user,
            env=environ,
            cwd=folder,
            stderr=(folder / "log").open("wb"),
        )
        try:
            _wait(process, port, folder / "log")
            yield Server(port, "reader", password, process.pid)
        finally:
            process.send_signal(
                signal.SIGINT
            )  # "fast": it does not wait for who is still connected
            process.wait(START_SECONDS)


def find_postgres(cache: Path) -> Path:
    """Find the folder of initdb and postgres: on PATH, Debian's, or unpacked into ``cache``.

    Raises:
        FileNotFoundError: If there is none and none can be fetched; says what to install.
    """
    on_path = shutil.which("postgres")
    found = [Path(on_path).resolve().parent] if on_path else []
    found += sorted(DEBIAN.glob("*/bin"), key=_version, reverse=True)
    found += [
        path
        for path in cache.glob("root/usr/lib/postgresql/*/bin")
        if (cache / "complete").exists()
    ]
    for folder in found:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise FileNotFoundError(f"the tests need a PostgreSQL server, and there is none. {ADVICE}")
    try:
        return fetch_postgres(cache)
    except subprocess.CalledProcessError as error:
        output = (error.stderr or b"").decode(errors="replace").strip().splitlines()[-1:]
        raise FileNotFoundError(
            "the tests need a PostgreSQL server, and apt-get gave none "
            f"({' '.join(output)}). {ADVICE}"
        ) from error


def fetch_postgres(cache: Path, *, is_whole: bool = False) -> Path:
    """Unpack Debian's packages into ``cache``, which needs no rights.

    With ``is_whole``, libraries that are installed are unpacked too.
    """
    (cache / "lists/partial").mkdir(parents=True, exist_ok=True)
    options = [
        f"Dir::State::lists={cache / 'lists'}",
        f"Dir::Cache={cache / 'apt'}",
        "APT::Sandbox::User=",
        "Debug::NoLocking=1",
    ]
    apt = [part for option in options for part in ("-o", option)]
    _run("apt-get", *apt, "update", folder=cache)
    closure = _run(
        "apt-cache",
        *apt,
        "depends",
        "--recurse",
        "--no-recommends",
        "--no-suggests",
        "--no-conflicts",
        "--no-breaks",
        "--no-replaces",
        "--no-enhances",
        "postgresql",
        folder=cache,
    )
    names = sorted(
        {line for line in closure.splitlines() if line and not line.startswith((" ", "<"))}
    )
    server = max(
        (name for name in names if name.removeprefix("postgresql-").isdigit()),
        key=lambda name: int(name.split("-")[1]),
    )
    # The C library must be the machine's own; LLVM is large, for compiled queries, which are off.
    libraries = [
        name
        for name in names
        if name.startswith("lib") and not name.startswith(("libc6", "libllvm", "libc-", "libc-bin"))
    ]
    wanted = [server, *(name for name in libraries if is_whole or not _is_installed(name))]
    (cache / "packages").mkdir(exist_ok=True)
    _run("apt-get", *apt, "download", *wanted, folder=cache / "packages")
    for package in sorted((cache / "packages").glob("*.deb")):
        _run("dpkg", "-x", str(package), str(cache / "root"), folder=cache)
    for name in ("lists", "apt", "packages"):
        shutil.rmtree(cache / name, ignore_errors=True)
    (cache / "complete").touch()
    return next((cache / "root/usr/lib/postgresql").glob("*/bin"))


def _run(*command: str, folder: Path) -> str:
    return subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout.decode()


def _is_installed(package: str) -> bool:
    query = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Status}", package], capture_output=True, text=True
    )
    return query.stdout.endswith("installed") and "not-installed" not in query.stdout


def _version(folder: Path) -> float:
    name = folder.parent.name
    return float(name) if name.replace(".", "", 1).isdigit() else 0.0


def _server_user() -> str | None:
    """The operating system's user of the server, which refuses to run as root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody", "daemon") if name in known)


def _parent(user: str | None) -> str | None:
    """Return the folder for temporary files, or one that the user of the server may enter."""
    usual = Path(tempfile.gettempdir()).resolve()
    if not user or all(folder.stat().st_mode & 0o001 for folder in (usual, *usual.parents)):
        return None
    return "/var/tmp"


def _reachable(binaries: Path, folder: Path, user: str | None) -> Path:
    """Copy the unpacked files if the user of the server may not enter their folder."""
    if not user or all(parent.stat().st_mode & 0o001 for parent in (binaries, *binaries.parents)):
        return binaries
    usr = binaries.parents[3]
    shutil.copytree(usr.parent, folder / "root", symlinks=True)
    return folder / "root" / binaries.relative_to(usr.parent)


def _environment(binaries: Path) -> dict[str, str]:
    """An environment without the caller's settings, with the libraries of unpacked binaries."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {
        "LC_ALL": "C",
        "TZ": "UTC",
    }
    if DEBIAN not in binaries.parents and binaries.parents[2].name == "lib":
        beside = sorted(
            {
                str(path.parent)
                for folder in ("lib", "usr/lib")
                for path in (binaries.parents[4] / folder).glob("*/*.so*")
            }
        )
        environ["LD_LIBRARY_PATH"] = ":".join(beside)
    return environ


def _make_cluster(
    binaries: Path, folder: Path, password: str, *, user: str | None, environ: dict[str, str]
) -> None:
    secret = folder / "password"
    secret.write_text(password)
    if user:
        shutil.chown(secret, user)
    made = subprocess.run(
        [
            str(binaries / "initdb"),
            "-D",
            str(folder / "data"),
            "-U",
            "reader",
            "--auth=scram-sha-256",
            f"--pwfile={secret}",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ],
        user=user,
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    secret.unlink()
    assert made.returncode == 0, f"initdb failed: {made.stdout}{made.stderr}"


def _command(binaries: Path, folder: Path, port: int) -> list[str]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "fsync": "off",
        "jit": "off",
        "full_page_writes": "off",
        "shared_buffers": "16MB",
        "timezone": "UTC",
    }
    return [
        str(binaries / "postgres"),
        "-D",
        str(folder / "data"),
        *(f"--{name}={value}" for name, value in settings.items()),
    ]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until the server answers; it writes a file into its folder."""
    status = log.parent / "data/postmaster.pid"
    for _ in range(START_SECONDS * 20):
        assert process.poll() is None, f"postgres ended: {log.read_text()}"
        if status.exists() and status.read_text().splitlines()[-1].strip() == "ready":
            return
        time.sleep(0.05)
    raise TimeoutError(
        f"postgres did not answer on port {port} within {START_SECONDS} seconds: {log.read_text()}"
    )

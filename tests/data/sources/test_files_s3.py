"""Files of an S3 on this machine: found, distinguished, read, and rejected with a message."""

import gzip
import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from data.errors import RowError
from data.sources.base import Access
from data.sources.files import Files
from tests.data.sources.test_files_source import listed, read

SECRET = "gr@k/lumo+1="


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def access(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Access:
    for name in [
        name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")
    ]:
        monkeypatch.delenv(name)

    def hide(text: str) -> str:
        return text.replace(SECRET, "***")

    return Access(
        tmp_path,
        lambda text: text.replace("${env:KEY}", "reader").replace("${env:SECRET}", SECRET),
        hide,
    )


@pytest.fixture
def options(address: str) -> dict[str, Any]:
    return {"endpoint_url": address, "key": "${env:KEY}", "secret": "${env:SECRET}"}


@pytest.fixture
def bucket(address: str, access: Access) -> Any:
    system = fsspec.filesystem(
        "s3", key="writer", secret="made", endpoint_url=address, skip_instance_cache=True
    )
    if not system.exists("made"):
        system.mkdir("made")
    system.pipe(
        {
            "made/x/a.csv": b"1",
            "made/x/b.csv.gz": gzip.compress(b"2"),
            "made/x/.hidden": b"no",
            "made/y.csv": b"3",
        }
    )
    yield system
    system.rm("made/x", recursive=True)


def test_glob_finds_files_and_unpacks_them(
    bucket: Any, options: dict[str, Any], access: Access
) -> None:
    source = Files(paths={"all": "s3://made/x/*"}, options=options)
    assert read(source, access) == [(b"1",), (b"2",)]
    assert list(listed(source, access)) == ["s3://made/x/a.csv", "s3://made/x/b.csv.gz"]


def test_only_new_or_changed_files_have_a_new_version(
    bucket: Any, options: dict[str, Any], access: Access
) -> None:
    source = Files(paths={"all": "s3://made/x/*"}, options=options)
    before = listed(source, access)
    assert listed(source, access) == before
    bucket.pipe({"made/x/a.csv": b"9", "made/x/c.csv": b"4"})
    after = listed(source, access)
    assert [name for name in after if after[name] != before.get(name)] == [
        "s3://made/x/a.csv",
        "s3://made/x/c.csv",
    ]


def test_version_of_a_file_equals_that_of_the_listing(
    bucket: Any, options: dict[str, Any], access: Access
) -> None:
    one, glob = (
        listed(Files(paths={"all": f"s3://made/x/{path}"}, options=options), access)
        for path in ("a.csv", "*.csv")
    )
    assert one == glob
    assert all(one.values())


def test_large_file_is_read_in_parts(bucket: Any, options: dict[str, Any], access: Access) -> None:
    content = os.urandom(1 << 20) * 12
    bucket.pipe("made/x/large.bin", content)
    assert read(Files(paths={"all": "s3://made/x/large.bin"}, options=options), access) == [
        (content,)
    ]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("made/none.csv", "there is no file s3://made/none.csv"),
        ("made/none/*.csv", "there is no file s3://made/none/*.csv"),
        ("nobody/a.csv", "there is no file s3://nobody/a.csv"),
        ("nobody/*.csv", "there is no file s3://nobody/*.csv"),
        (
            "made/x",
            "s3://made/x: expected a file, got a directory: for the files in a folder write its "
            "name and /*",
        ),
    ],
)
def test_missing_file_raises_with_its_address(
    path: str, message: str, bucket: Any, options: dict[str, Any], access: Access
) -> None:
    with pytest.raises(RowError) as caught:
        Files(paths={"all": f"s3://{path}"}, options=options).pieces(access, [])
    assert str(caught.value) == message


def test_no_error_contains_a_secret(options: dict[str, Any], access: Access) -> None:
    changed = options | {"endpoint_url": "http://${env:SECRET}.invalid:1"}
    with pytest.raises((OSError, RowError), match=r"cannot read s3://made/a\.csv: ") as caught:
        Files(paths={"all": "s3://made/a.csv"}, options=changed).pieces(access, [])
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_unknown_option_raises_with_the_nearest_name(
    options: dict[str, Any], access: Access
) -> None:
    with pytest.raises(
        RowError,
        match=r"there is no option 'endpoint' for s3 addresses: did you mean endpoint_url\?",
    ):
        Files(paths={"all": "s3://made/a.csv"}, options={"endpoint": "http://127.0.0.1:1"}).pieces(
            access, []
        )

"""Compressed files and archives: each kind, nested, and damaged."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pytest

from data.errors import RowError
from data.sources.archives import open_member, unpacked
from data.sources.files import Files
from tests.data.reading import ShortReads

CONTENT = "".join(f"lumo {number} — łódź\n" for number in range(2_000)).encode()


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    with zipfile.ZipFile(buffer := io.BytesIO(), "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(members: Mapping[str, bytes], mode: str = "w") -> bytes:
    with tarfile.open(fileobj=(buffer := io.BytesIO()), mode=mode) as archive:  # type: ignore[call-overload]
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "a.txt": bytes,
    "a.txt.gz": gzip.compress,
    "a.txt.GZ": gzip.compress,
    "a.txt.bz2": bz2.compress,
    "a.txt.xz": lzma.compress,
    "a.txt.lzma": lambda content: lzma.compress(content, format=lzma.FORMAT_ALONE),
    "a.txt.zst": zstd,
    "a.zip": lambda content: zipped({"a.txt": content}),
    "a.tar": lambda content: tarred({"a.txt": content}),
    "a.tar.gz": lambda content: tarred({"a.txt": content}, "w:gz"),
    "a.tgz": lambda content: tarred({"a.txt": content}, "w:gz"),
    "a.tar.bz2": lambda content: tarred({"a.txt": content}, "w:bz2"),
    "a.tar.xz": lambda content: tarred({"a.txt": content}, "w:xz"),
    "a.tar.zst": lambda content: zstd(tarred({"a.txt": content})),
    "b.zip (a.txt.gz in it)": lambda content: zipped({"a.txt.gz": gzip.compress(content)}),
}
COMPRESSED = [name for name in PACKED if name != "a.txt"]


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("seed", [None, 1])
def test_file_is_unpacked_by_its_extension_from_any_stream(name: str, seed: int | None) -> None:
    packed = PACKED[name](CONTENT)
    with unpacked(
        io.BytesIO(packed) if seed is None else ShortReads(packed, seed), name.partition(" ")[0]
    ) as stream:
        assert stream.read() == CONTENT


def test_file_name_of_a_url_excludes_the_query() -> None:
    assert (
        unpacked(io.BytesIO(gzip.compress(b"ta")), "https://host/a.txt.gz?version=1.bz2").read()
        == b"ta"
    )


@pytest.mark.parametrize(
    ("compression", "name"),
    [("gzip", "a.txt.gz"), ("xz", "a.txt.xz"), ("zstd", "a.txt.zst"), ("zip", "a.zip")],
)
def test_named_compression_takes_precedence_over_the_extension(compression: str, name: str) -> None:
    assert unpacked(io.BytesIO(PACKED[name](CONTENT)), "rows.bz2", compression).read() == CONTENT


def test_compression_none_does_not_unpack() -> None:
    assert unpacked(io.BytesIO(b"ta"), "rows.gz", "none").read() == b"ta"


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, zstd])
def test_concatenated_compressed_files_are_read_to_the_end(
    compress: Callable[[bytes], bytes],
) -> None:
    suffix = {gzip.compress: "gz", bz2.compress: "bz2", lzma.compress: "xz", zstd: "zst"}[compress]
    assert (
        unpacked(io.BytesIO(compress(b"lumo\n") + compress(b"sela\n")), f"a.{suffix}").read()
        == b"lumo\nsela\n"
    )


@pytest.mark.parametrize("outer", [zipped, tarred, lambda members: tarred(members, "w:gz")])
@pytest.mark.parametrize("inner", ["a.txt", "a.txt.xz", "b.zip", "b.tar.gz"])
def test_member_is_opened_at_any_depth(
    outer: Callable[[Mapping[str, bytes]], bytes], inner: str
) -> None:
    content = {"b.zip": zipped, "b.tar.gz": lambda members: tarred(members, "w:gz")}.get(
        inner, lambda members: members["a.txt"]
    )({"a.txt": CONTENT, "c.txt": b"ta"})
    content = lzma.compress(content) if inner.endswith("xz") else content
    path = f"x/{inner}!a.txt" if inner.startswith("b") else f"x/{inner}"
    with open_member(
        io.BytesIO(outer({"x/0.txt": b"no", f"x/{inner}": content, "x/z.txt": b"no"})),
        path,
        "o.zip",
    ) as stream:
        assert stream.read() == CONTENT


def test_tar_that_ends_with_a_stored_zip_is_read_as_tar() -> None:
    archive = tarred({"a.txt": b"ta", "b.zip": zipped({"c.txt": b"no"}, zipfile.ZIP_STORED)})
    assert open_member(io.BytesIO(archive), "a.txt", "a.tar").read() == b"ta"


@pytest.mark.parametrize("make", [zipped, tarred])
def test_missing_member_raises_with_the_nearest_name(
    make: Callable[[Mapping[str, bytes]], bytes],
) -> None:
    with pytest.raises(
        RowError, match=r"rows\.zip has no member 'trian\.csv': did you mean train\.csv\?"
    ):
        open_member(io.BytesIO(make({"train.csv": b"", "test.csv": b""})), "trian.csv", "rows.zip")


def test_error_lists_only_some_of_many_members() -> None:
    archive = zipped({f"{number:04}": b"" for number in range(1_000)})
    with pytest.raises(
        RowError, match=r"has no member 'rows': there are: 0000, 0001, .*, 0019 and 980 more$"
    ):
        open_member(io.BytesIO(archive), "rows", "a.zip")


@pytest.mark.parametrize("make", [zipped, tarred])
def test_archive_of_several_files_raises_without_a_member_name(
    make: Callable[[Mapping[str, bytes]], bytes],
) -> None:
    message = (
        r"a\.zip holds 2 files, expected one: add !NAME to the path\. There are: b\.csv, c\.csv"
    )
    with pytest.raises(RowError, match=message):
        unpacked(io.BytesIO(make({"b.csv": b"", "c.csv": b""})), "a.zip")


@pytest.mark.parametrize("member", ["folder", "b.txt!c.txt"])
def test_member_that_is_no_file_or_archive_raises(member: str) -> None:
    with pytest.raises(
        RowError, match=r"a\.tar has no member 'folder'|a\.tar!b\.txt is neither a zip nor a tar"
    ):
        open_member(io.BytesIO(tarred({"b.txt": b"ta"})), member, "a.tar")


def test_encrypted_member_raises() -> None:
    content = bytearray(zipped({"a.txt": b"ta"}))
    content[6] |= 1  # the flag in the member's header
    content[content.index(b"PK\x01\x02") + 8] |= 1  # and in the directory
    with pytest.raises(
        RowError, match=r"a\.zip!a\.txt is encrypted, expected an archive without a password"
    ):
        unpacked(io.BytesIO(bytes(content)), "a.zip")


def damaged(packed: bytes, how: str) -> bytes:
    middle = len(packed) // 2
    return {
        "cut in the middle": packed[:middle],
        "cut at the end": packed[:-3],
        "cut at the begin": packed[: min(12, middle)],
        "changed": packed[:middle]
        + bytes(byte ^ 0xFF for byte in packed[middle : middle + 8])
        + packed[middle + 8 :],
        "another kind": b"text,label\nlumo,pos\n" * 40,
    }[how]


HOW = ("cut in the middle", "cut at the end", "cut at the begin", "changed", "another kind")
# A plain tar and the files that Arrow packs have no checksums; a tar ends in unused zeros.
UNSEEN = {("a.tar", "changed"), ("a.txt.zst", "changed"), ("a.tar.zst", "changed")}
UNSEEN |= {
    (name, "cut at the end") for name in COMPRESSED if ".t" in name and not name.startswith("a.txt")
}


@pytest.mark.parametrize(
    ("name", "how"),
    [(name, how) for name in COMPRESSED for how in HOW if (name, how) not in UNSEEN],
)
def test_damage_raises_with_file_and_remedy(name: str, how: str) -> None:
    stream = ShortReads(damaged(PACKED[name](CONTENT), how), seed=0)
    name = name.partition(" ")[0]
    with (
        pytest.raises(
            RowError,
            match=r"is damaged, cut short|is neither a zip nor a tar|set source.compression: none",
        ) as caught,
        unpacked(stream, name) as opened,
    ):
        while opened.read(1 << 16):
            pass
    assert str(caught.value).startswith(name)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("kind", ["csv", "jsonl", "text", "parquet"])
@pytest.mark.parametrize("name", ["a.txt.gz", "a.txt.bz2", "a.txt.xz", "a.txt.zst", "a.zip"])
def test_every_format_passes_on_the_damage_error(kind: str, name: str, tmp_path: Path) -> None:
    from data.formats.base import all_formats
    from data.sources.base import Access

    (tmp_path / name).write_bytes(damaged(PACKED[name](CONTENT), "cut in the middle"))
    source = Files(paths={"all": str(tmp_path / name)})
    access = Access(tmp_path)
    form = all_formats()[kind]
    columns: dict[str, str | int] = {"text": 0} if form.columns == "none" else {"text": "text"}
    piece = source.pieces(access, [])[0]
    message = "is damaged, cut short or of another|cannot be read as Parquet"
    with pytest.raises(RowError, match=message), source.open(piece, access) as streams:
        list(form.read(streams, columns, {**form.options, "kind": kind}))


def test_full_disk_is_not_reported_as_damage() -> None:
    class Full(ShortReads):
        def read(self, size: int = -1) -> bytes:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        unpacked(Full(b"", 0), "a.gz").read()

"""CSV and TSV: a row of fields a line, or over several lines where a field in quotes holds line ends."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from data.errors import RowError
from data.formats.base import ROW, TEXT, Columns, Fault, FormatKind, as_table, faults_table
from data.formats.encoding import ByteStream, utf8_blocks
from data.formats.headers import MARK_OF_BYTES, is_name, place_of, true_where, with_separator
from data.formats.quotes import MARK, bad_quotes, checked_quotes, unmarked

BLOCK_BYTES = 1 << 21  # what a row has to fit into
BLOCKS_AHEAD = 3
PATIENCE_SECONDS = 0.1  # with a block that gave nothing
# After so many rows without one that can be read, the file is not what it should be; Arrow would read on to its end.
MOST_WRONG = 1 << 18
# A last row of our own: if it is not read as a row, a quote was never closed.
END = "\U0010fffe end of file"
NUL = "\ufdd0"  # a noncharacter, which no real text holds
AGAIN = "the header of the file stands here again, as where files were joined"
UNCLOSED = "a quote opens in this row and is never closed: all lines up to the end of the file fall into it"


def read_delimited(
    streams: Sequence[IO[bytes]], columns: Columns, options: Mapping[str, Any]
) -> Iterator[pa.Table]:
    """Read CSV or TSV, numbered by rows from the header on; blank lines do not count.

    Args:
        streams: One.
        columns: Role to a name of the header or to a number, from 0.
        options: ``separator``, one character, which a first line such as
            ``sep=;`` overrides; ``header``, whether the first row names the
            columns; ``quote``, whether double quotes may enclose a field;
            ``escape``, what stands before a character that means itself, or
            nothing; ``encoding``.

    Raises:
        RowError: If a column is not in the file or twice in it, or if a row
            is longer than a block.
    """
    nuls = _Nuls(utf8_blocks(streams[0], options["encoding"]))
    options, blocks = with_separator(
        nuls, options, FORMATS[options.get("kind", "csv")].options["separator"]
    )
    if options["quote"]:
        blocks = checked_quotes(blocks, options["separator"], options["escape"])
    text = ByteStream(blocks)
    blocks = iter(lambda: text.read(BLOCK_BYTES), b"")
    first = next(blocks, b"")
    if not first.strip(b"\r\n") and len(first) < BLOCK_BYTES:
        yield faults_table(
            columns, {1: Fault("empty_file", "the file has no line with anything in it", "")}
        )
        return
    names = _names(first, options)
    places = [place_of(names, column, options["separator"]) for column in columns.values()]
    yield from _Reader(columns, names, places, options, nuls).tables(_Paced(_ended(first, blocks)))


def _names(first: bytes, options: Mapping[str, Any]) -> list[str]:
    """Read the names of the columns from the beginning of a file."""
    head = first[: first.rfind(b"\n") + 1] or first + b"\n"  # a row cut inside a letter stops Arrow
    try:
        with _open(pa.BufferReader(head), options, []) as table:
            names = list(table.schema.names)
    except pa.ArrowInvalid as error:
        raise _whole_error(error, options, 0) from error
    if names[0].startswith(MARK):
        raise RowError(f"its first row: {bad_quotes(unmarked(names[0]), options).reason}")
    return names


def _ended(first: bytes, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Add a row of our own, in the last block: pyarrow reads no header that is a block without its end."""
    for block in blocks:
        yield first
        first = block
    yield first + f"\n{END}\n".encode()


class _Nuls:
    """Blocks with ``NUL`` in place of each NUL: Arrow 25 loses rows where one stands near the edge of a block."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self.blocks, self.is_any = blocks, False

    def __iter__(self) -> Iterator[bytes]:
        for block in self.blocks:
            marked = block.replace(b"\0", NUL.encode())
            self.is_any |= len(marked) > len(block)
            yield marked

    def put_back(self, column: pa.Array) -> pa.Array:
        """Give a column its NULs again."""
        return pc.replace_substring(column, NUL, "\0") if self.is_any else column


class _Paced:
    """Blocks for Arrow's reader, which would take 32 of them ahead."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self.blocks, self.num_ahead, self.is_over, self.moved = (
            blocks,
            0,
            False,
            threading.Condition(),
        )

    def __iter__(self) -> Iterator[bytes]:
        for block in self.blocks:
            with self.moved:
                self.moved.wait_for(
                    lambda: self.is_over or self.num_ahead < BLOCKS_AHEAD, timeout=PATIENCE_SECONDS
                )
                self.num_ahead += 1
            if self.is_over:
                return
            yield block

    def used(self) -> None:
        """Say that a batch was read."""
        with self.moved:
            self.num_ahead -= 1
            self.moved.notify()

    def stop(self) -> None:
        """Say that no more is wanted."""
        with self.moved:
            self.is_over = True
            self.moved.notify()


def _open(
    file: pa.NativeFile,
    options: Mapping[str, Any],
    wrong: list[pa.csv.InvalidRow],
    *,
    names: Sequence[str] = (),
    included: Sequence[str] = (),
) -> pa.csv.CSVStreamingReader:
    """Open a table of texts; ``names`` are its columns, whose types would be guessed without."""

    def skip(row: pa.csv.InvalidRow) -> str:
        wrong.append(row)
        return "error" if names and len(wrong) >= MOST_WRONG else "skip"

    return pa.csv.open_csv(
        file,
        read_options=pa.csv.ReadOptions(
            # With threads, rows that cannot be read come without their numbers.
            use_threads=False,
            autogenerate_column_names=not options["header"],
            block_size=BLOCK_BYTES,
        ),
        parse_options=pa.csv.ParseOptions(
            delimiter=options["separator"],
            quote_char='"' if options["quote"] else False,
            escape_char=options["escape"] or False,
            newlines_in_values=options["quote"],
            invalid_row_handler=skip,
        ),
        convert_options=pa.csv.ConvertOptions(
            # What utf8_blocks gives is valid: it need not be looked at again.
            check_utf8=False,
            column_types=dict.fromkeys(names, TEXT),
            strings_can_be_null=False,
            include_columns=list(included),
        ),
    )


class _Reader:
    """Reads rows block by block, and counts those that cannot be read."""

    def __init__(
        self,
        columns: Columns,
        names: list[str],
        places: list[int],
        options: Mapping[str, Any],
        nuls: _Nuls,
    ) -> None:
        self.columns, self.names, self.places, self.options, self.nuls = (
            columns,
            names,
            places,
            options,
            nuls,
        )
        # By name only where names are told apart; else every column is read.
        self.included = (
            sorted({names[place] for place in places}) if len(set(names)) == len(names) else []
        )
        self.wrong: list[pa.csv.InvalidRow] = []  # not yielded yet
        self.row = 1 + bool(options["header"])  # number of the next
        self.is_ended = False

    def tables(self, blocks: _Paced) -> Iterator[pa.Table]:
        """Read all rows; a table is held back until it is known that its last row ended."""
        held: list[pa.Table] = []
        try:
            file = pa.PythonFile(ByteStream(blocks), mode="r")
            # Held by a name: whoever lets go of it waits for the block that it reads.
            reader = _open(file, self.options, self.wrong, names=self.names, included=self.included)
            for batch in reader:
                blocks.used()
                table = self._table(batch)
                if table.num_rows:
                    yield from held
                    held = [table]
                for faults in self._faults():
                    is_after = held and faults[ROW][-1].as_py() > held[0][ROW][-1].as_py()
                    held.append(faults)
                    if is_after or len(held) == 1:
                        yield from held
                        held = []
        except pa.ArrowInvalid as error:
            last, is_hopeless = self.wrong[-1:], len(self.wrong) >= MOST_WRONG
            yield from [*held, *self._faults(is_over=True)]
            if is_hopeless:
                raise RowError(
                    f"{MOST_WRONG:,} rows one after another cannot be read: {self._fault(last[0]).reason}"
                ) from error
            raise _whole_error(error, self.options, self.row - 1) from error
        finally:
            blocks.stop()
        faults = list(self._faults(is_over=True))
        yield from [*map(self._closed, held[:1]), *held[1:], *faults]

    def _table(self, batch: pa.RecordBatch) -> pa.Table:
        """Give a batch the names of the roles, and its rows their numbers."""
        at = {name: place for place, name in enumerate(self.included)} if self.included else {}
        found = [
            self.nuls.put_back(batch.column(at[self.names[place]] if at else place))
            for place in self.places
        ]
        rows = self._numbers(batch.num_rows)
        if len(self.names) == 1 and len(rows) and found[0][-1].as_py() == END:
            self.is_ended, rows, found = True, rows[:-1], [column[:-1] for column in found]
        return as_table(dict(zip(self.columns, found, strict=True)), rows, self._wrong_rows(found))

    def _wrong_rows(self, found: list[pa.Array]) -> dict[int, Fault]:
        """Find rows that are the header again, and those of one column whose quotes are wrong."""
        faults: dict[int, Fault] = {}
        if self.options["header"] and len(found):
            names = [self.names[place] for place in self.places]
            is_header = np.logical_and.reduce(
                [is_name(column, name) for column, name in zip(found, names, strict=True)]
            )
            raw = self.options["separator"].join(names)
            faults = {
                place: Fault("header", AGAIN, raw) for place in np.flatnonzero(is_header).tolist()
            }
        if len(self.names) == 1:
            for place in np.flatnonzero(true_where(pc.starts_with(found[0], MARK))).tolist():
                faults[place] = bad_quotes(unmarked(found[0][place].as_py()), self.options)
        return dict(sorted(faults.items()))

    def _numbers(self, num: int) -> NDArray[np.int64]:
        """Number the next ``num`` rows, and leave out those the parser skipped."""
        skipped = [row.number for row in self.wrong if row.number >= self.row]
        numbers = np.arange(self.row, self.row + num + len(skipped))
        is_read = ~np.isin(numbers, skipped)
        numbers = numbers[is_read][:num]
        self.row = int(numbers[-1]) + 1 if num else self.row
        known = set(skipped)
        while self.row in known:
            self.row += 1
        return numbers

    def _faults(self, *, is_over: bool = False) -> Iterator[pa.Table]:
        """Give out the rows that cannot be read, up to where all have their numbers."""
        done = [row for row in self.wrong if row.number < self.row or is_over]
        self.wrong[:] = [
            row for row in self.wrong if not (row.number < self.row or is_over)
        ]  # pyarrow has the same list
        self.is_ended |= any(row.text == END for row in done)
        faults = {row.number: self._fault(row) for row in done if row.text != END}
        if faults:
            yield faults_table(self.columns, faults)

    def _fault(self, row: pa.csv.InvalidRow) -> Fault:
        text = row.text.replace(NUL, "\0")
        if text.startswith(MARK):
            return bad_quotes(unmarked(text), self.options)
        if text.endswith(f"\n{END}"):
            self.is_ended = True
            return Fault("fields", UNCLOSED, text.removesuffix(END).rstrip("\n"))
        lines = text.count("\n")
        over = f" over {lines + 1:,} lines: is a quote never closed?" if lines else ""
        if not over and MARK_OF_BYTES in text:
            over = ": a byte order mark stands inside, so files were joined without a line end between them"
        return Fault(
            "fields", f"{row.actual_columns} fields, expected {row.expected_columns}{over}", text
        )

    def _closed(self, table: pa.Table) -> pa.Table:
        """Refuse the last row if the end of the file fell into it."""
        if self.is_ended:
            return table
        last = table.num_rows - 1
        stood = [
            (table[role][last].as_py() or "").removesuffix("\n").removesuffix(END).rstrip("\n")
            for role in self.columns
        ]
        values = {role: table[role] for role in self.columns}
        return as_table(
            values,
            table[ROW],
            {last: Fault("fields", UNCLOSED, self.options["separator"].join(stood))},
        )


def _whole_error(error: pa.ArrowInvalid, options: Mapping[str, Any], last_row: int) -> RowError:
    """Say what stops a whole file."""
    if "straddl" not in str(error) and "cannot infer" not in str(error):
        return RowError(
            f"cannot be read as {options.get('kind', 'a table')}: {str(error).splitlines()[0]}"
        )
    which = f"a row after row {last_row:,}" if last_row else "the first row"
    why = ", or a quote in it is never closed" if options["quote"] else ""
    return RowError(f"{which} is longer than {BLOCK_BYTES:,} bytes{why}")


TABLE = FormatKind(
    read_delimited,
    {"header": True, "quote": True, "escape": "", "encoding": "utf-8"},
    {},
    columns="header",
    shapes=(("text", "label"), ("text", "score"), ("source", "target"), ("text",)),
)
FORMATS = {
    "csv": replace(TABLE, options={**TABLE.options, "separator": ","}),
    "tsv": replace(TABLE, options={**TABLE.options, "separator": "\t"}),
}

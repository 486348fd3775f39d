"""CSV and TSV: one row a line, or over several lines where a quoted field holds line ends."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from data.errors import RowError
from data.formats.base import ROW, TEXT, Columns, Fault, FormatKind, as_table, faults_table
from data.formats.delimited_blocks import END, NUL, MarkedNuls, PacedBlocks, with_end
from data.formats.encoding import ByteStream, utf8_blocks
from data.formats.headers import BYTE_ORDER_MARK, column_index, is_name, true_where, with_separator
from data.formats.quotes import MARK, bad_quotes, checked_quotes, unmarked

BLOCK_BYTES = 1 << 21  # a row must fit into a block
BLOCKS_AHEAD = 3
PATIENCE_SECONDS = 0.1  # a block may give no batch
# After so many unreadable rows the format is wrong; Arrow would read on to the end of the file.
MOST_WRONG = 1 << 18
REPEATED_HEADER = "the header of the file stands here again, as where files were joined"
UNCLOSED = (
    "a quote opens in this row and is never closed: "
    "all lines up to the end of the file fall into it"
)


def read_delimited(
    streams: Sequence[IO[bytes]], columns: Columns, options: Mapping[str, Any]
) -> Iterator[pa.Table]:
    """Read CSV or TSV; rows are numbered from the header on, without blank lines.

    Args:
        streams: One.
        columns: Role to a name of the header or to a number, from 0.
        options: ``separator``, one character, which a first line such as
            ``sep=;`` overrides; ``header``, whether the first row names the
            columns; ``quote``, whether double quotes may enclose a field;
            ``escape``, a character before one that is taken literally, or
            empty; ``encoding``.

    Raises:
        RowError: If the file lacks a column or has it twice, or if a row is
            longer than a block.
    """
    nuls = MarkedNuls(utf8_blocks(streams[0], options["encoding"]))
    default = FORMATS[options.get("kind", "csv")].options["separator"]
    options, blocks = with_separator(nuls, options, default)
    if options["quote"]:
        blocks = checked_quotes(blocks, options["separator"], options["escape"])
    text = ByteStream(blocks)
    blocks = iter(lambda: text.read(BLOCK_BYTES), b"")
    first = next(blocks, b"")
    if not first.strip(b"\r\n") and len(first) < BLOCK_BYTES:
        fault = Fault("empty_file", "the file has no line with anything in it", "")
        yield faults_table(columns, {1: fault})
        return
    names = _names(first, options)
    indices = [column_index(names, column, options["separator"]) for column in columns.values()]
    paced = PacedBlocks(
        with_end(first, blocks), max_ahead=BLOCKS_AHEAD, patience_seconds=PATIENCE_SECONDS
    )
    yield from _Reader(columns, names, indices, options, nuls).tables(paced)


def _names(first: bytes, options: Mapping[str, Any]) -> list[str]:
    """Read the names of the columns from the beginning of a file."""
    # Arrow fails on a row that ends within a character.
    head = first[: first.rfind(b"\n") + 1] or first + b"\n"
    try:
        with _open(pa.BufferReader(head), options, []) as table:
            names = list(table.schema.names)
    except pa.ArrowInvalid as error:
        raise _whole_error(error, options, 0) from error
    if names[0].startswith(MARK):
        raise RowError(f"its first row: {bad_quotes(unmarked(names[0]), options).reason}")
    return names


def _open(
    file: pa.NativeFile,
    options: Mapping[str, Any],
    wrong: list[pa.csv.InvalidRow],
    *,
    names: Sequence[str] = (),
    included: Sequence[str] = (),
) -> pa.csv.CSVStreamingReader:
    """Open a table of texts; without ``names``, its columns, Arrow guesses the types."""

    def skip(row: pa.csv.InvalidRow) -> str:
        wrong.append(row)
        return "error" if names and len(wrong) >= MOST_WRONG else "skip"

    return pa.csv.open_csv(
        file,
        read_options=pa.csv.ReadOptions(
            # With threads, invalid rows come without their numbers.
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
            # The blocks of utf8_blocks are valid already.
            check_utf8=False,
            column_types=dict.fromkeys(names, TEXT),
            strings_can_be_null=False,
            include_columns=list(included),
        ),
    )


class _Reader:
    """Reads rows block by block, and collects the invalid ones."""

    def __init__(
        self,
        columns: Columns,
        names: list[str],
        indices: list[int],
        options: Mapping[str, Any],
        nuls: MarkedNuls,
    ) -> None:
        self.columns = columns
        self.names = names
        self.indices = indices
        self.options = options
        self.nuls = nuls
        # Columns are picked by name only where names are distinct; else all are read.
        is_distinct = len(set(names)) == len(names)
        self.included = sorted({names[index] for index in indices}) if is_distinct else []
        self.wrong: list[pa.csv.InvalidRow] = []  # not yielded yet
        self.row = 1 + bool(options["header"])  # number of the next
        self.is_ended = False

    def tables(self, blocks: PacedBlocks) -> Iterator[pa.Table]:
        """Read all rows; the last table is held until the end of its last row is certain."""
        held: list[pa.Table] = []
        try:
            file = pa.PythonFile(ByteStream(blocks), mode="r")
            # Kept in a variable: its destructor waits for the block that it reads.
            reader = _open(file, self.options, self.wrong, names=self.names, included=self.included)
            for batch in reader:
                blocks.use()
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
            last = self.wrong[-1:]
            is_hopeless = len(self.wrong) >= MOST_WRONG
            yield from [*held, *self._faults(is_over=True)]
            if is_hopeless:
                reason = self._fault(last[0]).reason
                raise RowError(
                    f"{MOST_WRONG:,} rows one after another cannot be read: {reason}"
                ) from error
            raise _whole_error(error, self.options, self.row - 1) from error
        finally:
            blocks.stop()
        faults = list(self._faults(is_over=True))
        yield from [*map(self._closed, held[:1]), *held[1:], *faults]

    def _table(self, batch: pa.RecordBatch) -> pa.Table:
        """Name the columns of a batch by their roles, and number its rows."""
        at = {name: index for index, name in enumerate(self.included)}
        found = [
            self.nuls.restored(batch.column(at[self.names[index]] if at else index))
            for index in self.indices
        ]
        rows = self._numbers(batch.num_rows)
        if len(self.names) == 1 and len(rows) and found[0][-1].as_py() == END:
            self.is_ended = True
            rows = rows[:-1]
            found = [column[:-1] for column in found]
        return as_table(dict(zip(self.columns, found, strict=True)), rows, self._wrong_rows(found))

    def _wrong_rows(self, found: list[pa.Array]) -> dict[int, Fault]:
        """Find repeated headers and, in files of one column, rows with wrong quotes."""
        faults: dict[int, Fault] = {}
        if self.options["header"] and len(found):
            names = [self.names[index] for index in self.indices]
            is_header = np.logical_and.reduce(
                [is_name(column, name) for column, name in zip(found, names, strict=True)]
            )
            raw = self.options["separator"].join(names)
            fault = Fault("header", REPEATED_HEADER, raw)
            faults = dict.fromkeys(np.flatnonzero(is_header).tolist(), fault)
        if len(self.names) == 1:
            is_marked = true_where(pc.starts_with(found[0], MARK))
            for index in np.flatnonzero(is_marked).tolist():
                faults[index] = bad_quotes(unmarked(found[0][index].as_py()), self.options)
        return dict(sorted(faults.items()))

    def _numbers(self, num: int) -> NDArray[np.int64]:
        """Number the next ``num`` rows, leaving out the numbers of skipped rows."""
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
        """Yield the invalid rows up to the last numbered row."""
        done = [row for row in self.wrong if row.number < self.row or is_over]
        # In place: the handler of pyarrow appends to the same list.
        self.wrong[:] = [row for row in self.wrong if not (row.number < self.row or is_over)]
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
        if not over and BYTE_ORDER_MARK in text:
            over = (
                ": a byte order mark stands inside, "
                "so files were joined without a line end between them"
            )
        return Fault(
            "fields", f"{row.actual_columns} fields, expected {row.expected_columns}{over}", text
        )

    def _closed(self, table: pa.Table) -> pa.Table:
        """Reject the last row if its quote is open to the end of the file."""
        if self.is_ended:
            return table
        last = table.num_rows - 1
        fields = [
            (table[role][last].as_py() or "").removesuffix("\n").removesuffix(END).rstrip("\n")
            for role in self.columns
        ]
        values = {role: table[role] for role in self.columns}
        fault = Fault("fields", UNCLOSED, self.options["separator"].join(fields))
        return as_table(values, table[ROW], {last: fault})


def _whole_error(error: pa.ArrowInvalid, options: Mapping[str, Any], last_row: int) -> RowError:
    """Make the error for a file that cannot be read on."""
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

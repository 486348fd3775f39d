"""The options of ``refrain predict``."""

from pathlib import Path
from typing import Annotated

import typer

from refrain.completion import model_names

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="NAME, whose champion answers; NAME@ALIAS or NAME/VERSION.",
        autocompletion=model_names,
    ),
]
Text = Annotated[
    str, typer.Argument(metavar="TEXT", help="The text, or the beginning of one to continue.")
]
Label = Annotated[str | None, typer.Option(help="Label that a continued text starts from.")]
Threshold = Annotated[
    float | None, typer.Option(help="Probability that a label or an entity needs.")
]
BeamWidth = Annotated[int | None, typer.Option(help="Hypotheses kept while translating.")]
NumBest = Annotated[int | None, typer.Option(help="Translations, best first.")]
LengthPenalty = Annotated[
    float | None, typer.Option(help="Power of the length that divides their scores.")
]
Temperature = Annotated[
    float | None, typer.Option(help="Divides logits before drawing; 0 takes the likeliest.")
]
TopK = Annotated[int | None, typer.Option(help="Ids that may be drawn; 0 for all.")]
TopP = Annotated[float | None, typer.Option(help="Least total probability of ids to draw from.")]
Length = Annotated[int | None, typer.Option(help="Tokens that continue a text, at most.")]
Seed = Annotated[int | None, typer.Option(help="Seed of the draws.")]
MaxCharacters = Annotated[
    int | None, typer.Option(help="Characters of the longest text that is read.")
]
Midi = Annotated[Path | None, typer.Option(metavar="FILE", help="Write a tune as MIDI.")]
Files = Annotated[
    list[str] | None,
    typer.Option(
        "--file",
        metavar="FILE",
        help="CSV, TSV, JSON Lines or Parquet: a path, an address, a glob in quotes, "
        "or - for standard input; may be repeated.",
    ),
]
Target = Annotated[
    str | None,
    typer.Option(metavar="FOLDER", help="Folder for the predictions of --file, as Parquet."),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="ROLE=NAME",
        help="Column of --file with text, tokens or label, as in text=body; may be repeated.",
    ),
]
Keep = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Column of --file to keep; may be repeated."),
]
PartRows = Annotated[
    int | None, typer.Option(metavar="N", help="Rows that are held and written together.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace predictions of another model or file.")
]

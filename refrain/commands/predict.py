"""``refrain predict``: one text for a registered model, or files of texts.

Heavy imports stand inside the command, so that ``refrain --help`` answers at once.
"""

import re
import sys
import time
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.main import get_command

from refrain.environment import prepare
from refrain.errors import plain_errors
from refrain.options import Json, print_json

FILE_HELP = (
    "CSV, TSV, JSON Lines or Parquet: a path, an address, or a glob in quotes; may be repeated."
)
COLUMN_HELP = "Column of --file that holds text, tokens or label, as in text=body; may be repeated."

app = typer.Typer()


@app.command(context_settings={"ignore_unknown_options": True})  # a text may begin with a dash
def predict(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="NAME, whose champion answers; NAME@ALIAS or NAME/VERSION."
        ),
    ],
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="What is read, or how a text begins.")
    ] = "",
    label: Annotated[str | None, typer.Option(help="What a text that begins is to be.")] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Probability that a label or an entity needs.")
    ] = None,
    beam_width: Annotated[
        int | None, typer.Option(help="Hypotheses kept while translating.")
    ] = None,
    num_best: Annotated[int | None, typer.Option(help="Translations, best first.")] = None,
    length_penalty: Annotated[
        float | None, typer.Option(help="Power of the length that divides their scores.")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="What divides logits before drawing; 0 takes the likeliest."),
    ] = None,
    top_k: Annotated[int | None, typer.Option(help="Ids that may be drawn; 0 for all.")] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Probability that these have together at least.")
    ] = None,
    length: Annotated[
        int | None, typer.Option(help="Tokens that a text is gone on with, at most.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of what is drawn.")] = None,
    max_characters: Annotated[
        int | None, typer.Option(help="Characters of the longest text that is read.")
    ] = None,
    midi: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a tune that is said as MIDI.")
    ] = None,
    files: Annotated[
        list[str] | None, typer.Option("--file", metavar="FILE", help=FILE_HELP)
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Folder for the predictions of --file, as Parquet."),
    ] = None,
    columns: Annotated[
        list[str] | None, typer.Option("--column", metavar="ROLE=NAME", help=COLUMN_HELP)
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Column of --file to keep; may be repeated."),
    ] = None,
    part_rows: Annotated[
        int | None, typer.Option(metavar="N", help="Rows that are held and written together.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace predictions of another model or file.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Let a registered model answer one text, or the rows of files.

    Which options a model takes depends on what it says; another is refused.
    A model that continues texts needs none: it begins with nothing.

    **Examples**

        refrain predict rotten_tomatoes "a film that knows what it wants"

        refrain predict tatoeba_en_fr/2 "Where is the station?" --num-best 3

        refrain predict irish_tunes --label 6/8 --temperature 0.8 --midi tune.mid

        refrain predict rotten_tomatoes --file 'reviews/*.csv' --to answers --column text=body --keep id
    """
    with plain_errors():
        check_option_names(text)
    asked = {
        "threshold": threshold,
        "beam_width": beam_width,
        "num_best": num_best,
        "length_penalty": length_penalty,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "sample_length": length,
        "seed": seed,
        "max_characters": max_characters,
    }
    params = {name: value for name, value in asked.items() if value is not None}
    of_files = {
        "--to": to,
        "--column": columns,
        "--keep": keep,
        "--part-rows": part_rows,
        "--overwrite": overwrite or None,
    }
    if files:
        of_text = {"TEXT": text or None, "--label": label, "--midi": midi}
        settings = {
            "columns": columns,
            "keep": tuple(keep or ()),
            "params": params,
            "part_rows": part_rows,
            "overwrite": overwrite,
        }
        with plain_errors():
            check_file_options(of_text, to)
            predict_files(model, files, str(to), settings, as_json=as_json)
        return
    with plain_errors():
        for name, given in of_files.items():
            if given is not None:
                raise ValueError(f"{name} is for files: name them with --file")
        prepare(PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL="CRITICAL")
        from tasks.inference.predict_text import ask

        said = ask(model, text, params, label=label, midi=midi)
    if as_json:
        print_json(said)
        return
    from refrain.tables import out, plain

    for line in "\n".join(lines_of(said)).split("\n"):
        out.print(plain(line), markup=False, soft_wrap=True)


def check_option_names(text: str) -> None:
    """Refuse a text that reads like a misspelt option, unless ``--`` says that it is none.

    Raises:
        ValueError: If so, with the option that was probably meant.
    """
    if re.fullmatch(r"--?[a-z][a-z-]*(=.*)?", text) and "--" not in sys.argv:
        known = [
            option
            for parameter in get_command(app).params
            for option in parameter.opts
            if option.startswith("--")
        ]
        close = get_close_matches(text.partition("=")[0], known, n=1)
        meant = f"did you mean {close[0]}? " if close else ""
        raise ValueError(
            f"there is no option {text.partition('=')[0]}: {meant}Write -- before a text that begins like one"
        )


def check_file_options(of_text: dict[str, Any], to: str | None) -> None:
    """Refuse what is for one text, and a prediction of files that goes nowhere.

    Raises:
        ValueError: If so, with the option.
    """
    for name, given in of_text.items():
        if given is not None:
            hint = (
                ": put a glob in quotes, or repeat --file"
                if name == "TEXT"
                else ": name a column with --column label=NAME"
            )
            raise ValueError(
                f"{name} {str(given)!r} is for one text, not for --file{hint if name != '--midi' else ''}"
            )
    if to is None:
        raise ValueError("--file needs --to FOLDER, a folder for the predictions")


def roles_of(columns: list[str] | None) -> dict[str, str]:
    """The columns of files by what they hold, as ``--column`` names them.

    Raises:
        ValueError: If one is not ROLE=NAME, or a role is named twice.
    """
    pairs = [column.partition("=") for column in columns or ["text=text"]]
    wrong = next((role for role, sign, name in pairs if not sign or not name), None)
    if wrong is not None:
        raise ValueError(f"--column {wrong}: expected ROLE=NAME, as in text=body")
    roles = {role: name for role, _, name in pairs}
    if len(roles) < len(pairs):
        raise ValueError(f"--column names a role twice: {', '.join(columns or ())}")
    return roles


def predict_files(
    model: str, files: list[str], to: str, chosen: dict[str, Any], *, as_json: bool
) -> None:
    """Answer the rows of files here, without an engine, and say how many, how long it took and where they lie."""
    columns = roles_of(chosen.pop("columns"))
    prepare(PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL="CRITICAL")
    from refrain.progress_line import ProgressLine
    from tasks.inference.predict_files import PredictSettings, chosen_version, write_predictions

    given = {name: value for name, value in chosen.items() if value is not None}
    started = time.perf_counter()
    with ProgressLine() as line:
        settings = PredictSettings(columns=columns, **given)
        found = write_predictions(
            chosen_version(model),
            files,
            to,
            settings,
            lambda rows, rejected: line.show(counted(rows, rejected)),
        )
    seconds = time.perf_counter() - started
    if as_json:
        print_json(vars(found) | {"seconds": round(seconds, 3)})
        return
    rejected = f", reasons in {found.folder}/_refused" if found.refused else ""
    unchanged = "; all of it was there already" if not found.made and found.rows else ""
    print(
        f"{counted(found.rows, found.refused)}, {seconds:.1f} s, in {found.folder}{rejected}{unchanged}"
    )


def counted(rows: int, rejected: int) -> str:
    """How many rows were answered and rejected."""
    return f"{rows:,} row{'s' * (rows != 1)} predicted, {rejected:,} rejected"


def lines_of(said: dict[str, Any]) -> list[str]:
    """An answer as a person reads it."""
    if "probabilities" in said:
        shares = sorted(said["probabilities"].items(), key=lambda item: -item[1])
        return [
            f"{said['label'] or '(none reaches the threshold)'}",
            *(f"  {share:.3f}  {name}" for name, share in shares),
        ]
    if "entities" in said:
        found = [
            f"  {e['confidence']:.3f}  {e['kind']}  {e['text']}  ({e['start']} to {e['stop']})"
            for e in said["entities"]
        ]
        return [" ".join(said["tags"]), *(found or ["  no entity"])]
    if "n_best" in said:
        return [f"{each['score']:.3f}  {each['target']}" for each in said["n_best"]]
    return [said["text"]]

"""``refrain predict``: one text for a registered model, or files of texts.

Heavy imports stand inside the command, so that ``refrain --help`` answers at once.
"""

import re
import sys
import time
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command

from refrain.commands import predict_options as option
from refrain.environment import prepare
from refrain.errors import plain_errors
from refrain.options import Json, print_json

# Options that are request parameters of a model, and their names there.
PARAMETERS = {
    "threshold": "threshold",
    "beam_width": "beam_width",
    "num_best": "num_best",
    "length_penalty": "length_penalty",
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "length": "sample_length",
    "seed": "seed",
    "max_characters": "max_characters",
}
FILE_OPTIONS = {
    "to": "--to",
    "columns": "--column",
    "keep": "--keep",
    "part_rows": "--part-rows",
    "overwrite": "--overwrite",
}

app = typer.Typer()


@app.command(context_settings={"ignore_unknown_options": True})  # a text may begin with a dash
def predict(
    context: typer.Context,
    model: option.Model,
    text: option.Text = "",
    label: option.Label = None,
    threshold: option.Threshold = None,
    beam_width: option.BeamWidth = None,
    num_best: option.NumBest = None,
    length_penalty: option.LengthPenalty = None,
    temperature: option.Temperature = None,
    top_k: option.TopK = None,
    top_p: option.TopP = None,
    length: option.Length = None,
    seed: option.Seed = None,
    max_characters: option.MaxCharacters = None,
    midi: option.Midi = None,
    files: option.Files = None,
    to: option.Target = None,
    columns: option.Columns = None,
    keep: option.Keep = None,
    part_rows: option.PartRows = None,
    overwrite: option.Overwrite = False,
    as_json: Json = False,
) -> None:
    """Let a registered model answer one text, or the rows of files.

    Which options a model takes depends on its output kind; others are rejected.
    A language model needs no text: it begins with nothing.

    **Examples**

        refrain predict rotten_tomatoes "a film that knows what it wants"

        refrain predict tatoeba_en_fr/2 "Where is the station?" --num-best 3

        refrain predict irish_tunes --label 6/8 --temperature 0.8 --midi tune.mid

        refrain predict rotten_tomatoes --file 'a/*.csv' --to out --column text=body --keep id

        zcat texts.csv.gz | refrain predict rotten_tomatoes --file - --to out
    """
    with plain_errors():
        check_option_names(text)
        (check_file_options if files else check_text_options)(context.params)
        if files:
            roles_of(columns)
        prepare(PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL="CRITICAL")
        # The context has all options by their names.
        (answer_files if files else answer_text)(context.params)


def check_option_names(text: str) -> None:
    """Reject a text that looks like a misspelt option, unless ``--`` stands before it.

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
            f"there is no option {text.partition('=')[0]}: {meant}"
            "Write -- before a text that begins like one"
        )


def check_text_options(options: Mapping[str, Any]) -> None:
    """Reject options of files where there is none.

    Raises:
        ValueError: If one is given, with its name.
    """
    for name, shown in FILE_OPTIONS.items():
        if is_given(options[name]):
            raise ValueError(f"{shown} is for files: name them with --file")


def is_given(value: Any) -> bool:
    """Whether a command line sets an option."""
    return value not in (None, False, "", [], ())


def check_file_options(options: Mapping[str, Any]) -> None:
    """Reject options of one text, and files without a folder for the predictions.

    Raises:
        ValueError: If so, with the option.
    """
    of_text = {"TEXT": "text", "--label": "label", "--midi": "midi"}
    for name, given in ((name, options[key]) for name, key in of_text.items()):
        if is_given(given):
            hint = (
                ": put a glob in quotes, or repeat --file"
                if name == "TEXT"
                else ": name a column with --column label=NAME"
            )
            raise ValueError(
                f"{name} {str(given)!r} is for one text, not for --file"
                f"{hint if name != '--midi' else ''}"
            )
    if options["to"] is None:
        raise ValueError("--file needs --to FOLDER, a folder for the predictions")


def roles_of(columns: list[str] | None) -> dict[str, str]:
    """Read the columns of files by their roles, as ``--column`` names them.

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


def answer_text(options: Mapping[str, Any]) -> None:
    """Answer one text and print the answer."""
    from tasks.inference.predict_text import predict_text

    answer = predict_text(
        options["model"],
        options["text"],
        parameters_of(options),
        label=options["label"],
        midi=Path(options["midi"]) if options["midi"] else None,
    )
    if options["as_json"]:
        print_json(answer.values)
        return
    from refrain.tables import out, plain

    for line in "\n".join(answer.lines).split("\n"):
        out.print(plain(line), markup=False, soft_wrap=True)


def parameters_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Collect the request parameters that are given."""
    return {name: options[key] for key, name in PARAMETERS.items() if options[key] is not None}


def answer_files(options: Mapping[str, Any]) -> None:
    """Answer the rows of files without an engine, and print how many, how long and where."""
    from refrain.progress_line import ProgressLine
    from tasks.inference.file_answers import PredictSettings
    from tasks.inference.predict_files import chosen_version, write_predictions
    from tasks.inference.standard_input import with_standard_input

    given = {"part_rows": options["part_rows"]} if options["part_rows"] is not None else {}
    started = time.perf_counter()
    with ProgressLine() as line:
        settings = PredictSettings(
            columns=roles_of(options["columns"]),
            keep=tuple(options["keep"] or ()),
            params=parameters_of(options),
            overwrite=options["overwrite"],
            **given,
        )
        with with_standard_input(options["files"], sys.stdin.buffer) as files:
            found = write_predictions(
                chosen_version(options["model"]),
                files,
                options["to"],
                settings,
                lambda rows, rejected: line.show(counted(rows, rejected)),
            )
    seconds = time.perf_counter() - started
    if options["as_json"]:
        print_json(vars(found) | {"seconds": round(seconds, 3)})
        return
    rejected = f", reasons in {found.folder}/_refused" if found.refused else ""
    unchanged = "; all of it was there already" if found.is_unchanged else ""
    print(
        f"{counted(found.rows, found.refused)}, {seconds:.1f} s, "
        f"in {found.folder}{rejected}{unchanged}"
    )


def counted(rows: int, rejected: int) -> str:
    """Describe how many rows were answered and rejected."""
    return f"{rows:,} row{'s' * (rows != 1)} predicted, {rejected:,} rejected"

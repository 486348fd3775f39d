"""``refrain predict``: one text for a registered model.

Heavy imports stand inside the command, so that ``refrain --help`` answers at once.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.environment import prepare
from flows.errors import plain_errors
from flows.options import Json, print_json

app = typer.Typer()


@app.command()
def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="NAME, whose champion answers; NAME@ALIAS or NAME/VERSION.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is read, or how a text begins.")] = "",
    label: Annotated[str | None, typer.Option(help="What a text that begins is to be.")] = None,
    threshold: Annotated[float | None, typer.Option(help="Probability that a label or an entity needs.")] = None,
    beam_width: Annotated[int | None, typer.Option(help="Hypotheses kept while translating.")] = None,
    num_best: Annotated[int | None, typer.Option(help="Translations, best first.")] = None,
    length_penalty: Annotated[float | None, typer.Option(help="Power of the length that divides their scores.")] = None,
    temperature: Annotated[float | None, typer.Option(help="What divides logits before drawing; 0 takes the likeliest.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Ids that may be drawn; 0 for all.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Probability that these have together at least.")] = None,
    length: Annotated[int | None, typer.Option(help="Tokens that a text is gone on with, at most.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of what is drawn.")] = None,
    midi: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a tune that is said as MIDI.")] = None,
    as_json: Json = False,
) -> None:
    """Let a registered model answer one text.

    Which options a model takes depends on what it says; another is refused.
    A model that goes on with texts needs none: it begins with nothing.

    **Examples**

        refrain predict rotten_tomatoes "a film that knows what it wants"

        refrain predict tatoeba_en_fr/2 "Where is the station?" --num-best 3

        refrain predict irish_tunes --label 6/8 --temperature 0.8 --midi tune.mid
    """  # fmt: skip
    asked = {
        "threshold": threshold, "beam_width": beam_width, "num_best": num_best, "length_penalty": length_penalty,
        "temperature": temperature, "top_k": top_k, "top_p": top_p, "sample_length": length, "seed": seed,
    }  # fmt: skip
    with plain_errors():
        prepare(PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL="CRITICAL")
        from tasks.ask import ask

        said = ask(model, text, asked, label=label, midi=midi)
    if as_json:
        print_json(said)
        return
    from flows.console import out, plain

    for line in "\n".join(lines_of(said)).split("\n"):
        out.print(plain(line), markup=False, soft_wrap=True)


def lines_of(said: dict[str, Any]) -> list[str]:
    """An answer as a person reads it."""
    if "probabilities" in said:
        shares = sorted(said["probabilities"].items(), key=lambda item: -item[1])
        return [f"{said['label'] or '(none reaches the threshold)'}", *(f"  {share:.3f}  {name}" for name, share in shares)]
    if "entities" in said:
        found = [f"  {e['confidence']:.3f}  {e['kind']}  {e['text']}  ({e['start']} to {e['stop']})" for e in said["entities"]]
        return [" ".join(said["tags"]), *(found or ["  no entity"])]
    if "n_best" in said:
        return [f"{each['score']:.3f}  {each['target']}" for each in said["n_best"]]
    return [said["text"]]

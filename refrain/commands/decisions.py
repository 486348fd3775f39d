"""Answers to the questions of ``promotion.policy=ask``: ``refrain decide``, the prompt of a run.

Heavy imports are inside the command, so that ``refrain --help`` answers at once.
"""

import sys
from typing import Annotated, Any, Literal

import typer

from refrain.commands.data import FEW_TRIES
from refrain.completion import model_names
from refrain.environment import prepare
from refrain.errors import plain_errors
from refrain.options import Json, print_json

app = typer.Typer()
PROMOTE = "promote"
KEEP = "keep"
LATER = "later"


@app.command()
def decide(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]",
            help="Model whose challenger waits; none to list all that wait.",
            autocompletion=model_names,
        ),
    ] = None,
    decision: Annotated[
        Literal["promote", "keep"] | None,
        typer.Argument(metavar="[promote|keep]", help="None to ask at the prompt."),
    ] = None,
    by: Annotated[
        str, typer.Option("--by", metavar="NAME", help="Who decides; by default the user.")
    ] = "",
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Reason, for the ledger.")] = "",
    as_json: Json = False,
) -> None:
    """Decide about challengers that wait for a person (`promotion.policy=ask`), or list them.

    `promote` makes the challenger champion, `keep` keeps the champion. The
    ledger records who decided and why, and the flow run that asked ends. Such a
    flow run takes the same answer in the dashboard (*Resume*).

    **Examples**

        refrain decide

        refrain decide msra promote --why "better on places"
    """
    with plain_errors():
        connect()
        if model is None:
            list_questions(as_json=as_json)
            return
        question = open_question(model)
        word: str = decision or LATER
        if decision is None and has_prompt():
            show_question(model, question)
            word = chosen_word()
        if word == LATER:
            show_question(model, question, as_json=as_json)
            return
        made = answer(model, question, word, by=by, why=why)
    if as_json:
        from dataclasses import asdict

        print_json(asdict(made))
    else:
        print(f"{model}, version {made.version}: {made.reason}")


def connect() -> None:
    """Prepare the libraries, with the server of `refrain up` if it runs on this store."""
    from refrain.doctor.surroundings import read_up, use_own_server

    use_own_server(read_up())
    prepare(
        MLFLOW_HTTP_REQUEST_MAX_RETRIES=FEW_TRIES,
        PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL="CRITICAL",
    )


def list_questions(*, as_json: bool) -> None:
    """List the questions of all models."""
    from tasks.promotion.questions import open_questions

    found = list(open_questions())
    if as_json:
        print_json([question_fields(name, question) for name, question in found])
        return
    for name, question in found:
        show_question(name, question)
    if not found:
        print("No challenger waits for a decision.")


def show_question(model: str, question: Any, *, as_json: bool = False) -> None:
    """Print a question and how to answer it."""
    if as_json:
        print_json(question_fields(model, question))
        return
    print(f"{model}, version {question.version} {question.why}")
    print(f"  refrain decide {model} promote, or refrain decide {model} keep")


def question_fields(model: str, question: Any) -> dict[str, Any]:
    """Return the fields of a question for JSON."""
    names = ("version", "champion", "when", "until", "why", "scores", "flow_run", "flow_run_url")
    return {"model": model} | {name: getattr(question, name) for name in names}


def has_prompt() -> bool:
    """Tell whether a person sees a prompt and can answer."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def open_question(name: str) -> Any:
    """Find the question of a model.

    Raises:
        ValueError: If none waits; with the models that have one.
    """
    from tasks.promotion.questions import open_questions

    found = dict(open_questions())
    if name not in found:
        others = f"; questions wait about {', '.join(found)}" if found else ""
        raise ValueError(
            f"no version of {name} waits for a decision{others}. refrain history {name} shows "
            "the last decisions"
        )
    return found[name]


def ask_here(promotion: Any) -> Any:
    """Ask at the prompt about a version that waits; where there is none, or later, it waits on."""
    if not has_prompt() or not promotion.asked_until:
        return promotion
    question = open_question(promotion.dataset)
    show_question(promotion.dataset, question)
    word = chosen_word()
    if word == LATER:
        return promotion
    why = typer.prompt("Reason, for the ledger", default="", show_default=False)
    return answer(promotion.dataset, question, word, why=why)


def chosen_word() -> str:
    """Ask at the prompt until the answer is one of the three."""
    while True:
        found = str(typer.prompt(f"Your decision ({PROMOTE}, {KEEP} or {LATER})", default=LATER))
        if found in (PROMOTE, KEEP, LATER):
            return found


def answer(name: str, question: Any, word: str, *, by: str = "", why: str = "") -> Any:
    """Carry out an answer, and end the flow run that asked.

    Args:
        name: The model.
        question: The line of the ledger that asks.
        word: ``promote`` or ``keep``.
        by: Who decides; empty for the user of this process.
        why: The reason, empty if there is none.

    Raises:
        ValueError: If the decision behind the question was removed from the store.
    """
    from prefect.settings import PREFECT_API_URL

    from refrain.doctor.surroundings import fault_of
    from tasks.maintenance.answered_runs import end_waiting_run
    from tasks.promotion.answers import settle
    from tasks.registry.lineage import person
    from tasks.store.artifacts import Promotion

    promotion = Promotion.find(name, question.decision)
    if promotion is None:
        raise ValueError(
            f"{name}: the evidence about version {question.version} was removed from the store; "
            f"refrain rollback {name} --to {question.version} makes it champion"
        )
    made = settle(promotion, is_promoted=word == PROMOTE, by=by or person(), why=why)
    api = PREFECT_API_URL.value()
    if question.flow_run and api and not fault_of(f"{api.rstrip('/')}/health", b"true"):
        end_waiting_run(question.flow_run, made)
    return made

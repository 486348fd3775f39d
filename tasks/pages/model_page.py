"""The description of a registered model: what its versions are, and how its champion is called."""

from collections.abc import Mapping

from rnn_models.problem import find_problem
from tasks.pages.card_contents import SENTENCE_CHARACTERS
from tasks.pages.markdown import cell
from tasks.registry.links import ui_page
from tasks.registry.mlflow_client import describe_model, experiment, server_link

FACTS = ("language", "licence", "origin")  # of the data, as the catalog has them


def keep_model_page(name: str, problem: str, facts: Mapping[str, str]) -> None:
    """Write the description of a model, unless it is up to date."""
    describe_model(name, model_text(name, problem, facts))


def model_text(name: str, problem: str, facts: Mapping[str, str]) -> str:
    """Describe a model in Markdown."""
    data = [
        f"{word} of the data: {cell(facts[f'refrain.data.{word}'])}"
        for word in FACTS
        if facts.get(f"refrain.data.{word}")
    ]
    runs = ui_page(server_link(), f"experiments/{experiment(name)}")
    parts = [
        cell(facts.get("refrain.data.about", "")[:SENTENCE_CHARACTERS]),
        f"Retrained by Refrain from the dataset **{cell(name)}** ({problem}: "
        f"{find_problem(problem).output.shape}). {'; '.join(data)}",
        "The alias `champion` is the version in use, `challenger` the newest, `previous` the "
        f"champion before. Each version has its card as description. [All trainings]({runs}); "
        f"`refrain history {name}` lists the decisions.",
        "```python\nimport mlflow\n\n"
        f'model = mlflow.pyfunc.load_model("models:/{name}@champion")\n```',
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"

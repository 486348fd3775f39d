"""The description of a deployment."""

from pathlib import Path

from tasks.pages.deployment import deployment_text


def test_links_are_added_once(store: Path) -> None:
    text = deployment_text("Every night", "my_set", prefect="http://p", mlflow="http://m")
    assert text.startswith("Every night\n\n---\n\n")
    assert "(http://p/v2/artifacts/key/promotion-my-set)" in text
    assert "(http://m/#/models/my_set?" in text
    assert deployment_text(text, "my_set", prefect="http://p", mlflow="http://m") == text

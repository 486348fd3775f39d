"""The password in MLflow's address is moved to the variables that MLflow has for it."""

import pytest

from tasks.registry.tracking_password import take_password


@pytest.mark.parametrize(
    ("address", "user", "password", "left"),
    [
        ("http://joe:a%2Fb@host:5000/x", "joe", "a/b", "http://host:5000/x"),
        ("https://token@host/", "token", "", "https://host/"),
        ("http://joe:p@ss@host", "joe", "p@ss", "http://host"),
    ],
)
def test_password_is_removed_from_the_address(
    address: str, user: str, password: str, left: str
) -> None:
    environment = {"MLFLOW_TRACKING_URI": address}
    take_password(environment)
    assert environment == {
        "MLFLOW_TRACKING_URI": left,
        "MLFLOW_TRACKING_USERNAME": user,
        "MLFLOW_TRACKING_PASSWORD": password,
    }


@pytest.mark.parametrize(
    "address", ["", "http://host:5000", "sqlite:////a@b/mlflow.db", "postgresql://joe:pw@host/db"]
)
def test_addresses_without_a_password_are_not_changed(address: str) -> None:
    environment = {"MLFLOW_TRACKING_URI": address}
    take_password(environment)
    assert environment == {"MLFLOW_TRACKING_URI": address}


def test_variables_of_the_user_take_precedence() -> None:
    environment = {
        "MLFLOW_TRACKING_URI": "http://joe:one@host",
        "MLFLOW_TRACKING_USERNAME": "ann",
        "MLFLOW_TRACKING_PASSWORD": "two",
    }
    take_password(environment)
    assert environment["MLFLOW_TRACKING_URI"] == "http://host"
    assert environment["MLFLOW_TRACKING_PASSWORD"] == "two"

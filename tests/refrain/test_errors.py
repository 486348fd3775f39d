"""Error messages: no password of an address is printed."""

import pytest

from refrain.errors import fail


@pytest.mark.parametrize(
    ("message", "printed"),
    [
        ("PREFECT_API_URL is http://joe:hunter2@host:4200/api", "http://***@host:4200/api"),
        ("MLflow failed: 'https://hunter2@host/'", "'https://***@host/'"),
        ("cannot connect to sql://joe:${env:PASSWORD}@host/", "sql://joe:${env:PASSWORD}@host/"),
        ("reviews@champion at http://host/a@b", "reviews@champion at http://host/a@b"),
    ],
)
def test_password_of_an_address_is_not_printed(
    capsys: pytest.CaptureFixture[str], message: str, printed: str
) -> None:
    with pytest.raises(SystemExit):
        fail(message)
    found = capsys.readouterr().err
    assert printed in found
    assert "hunter2" not in found

"""Secrets in addresses and options must be references."""

import pytest

from data.errors import RowError
from data.sources.secret_references import check_address, check_options, written_secrets

FINE = [
    "/data/a.csv",
    "a@b.csv",
    "s3://bucket/a@b:c.csv",
    "https://host/pkg@1.0/a.csv",
    "https://host:8080/a.csv?day=1&key_count=2",
    "http://[::1]:80/a.csv",
    "https://${env:USER}:${env:PW}@host/a.csv",
    "https://reader:${secret:web-pw}@host/a.csv",
    "https://${env:TOKEN}@host/a.csv",
    "https://host/a.csv?token=${env:TOKEN}&sig=${env:SIG}",
    "https://host/a.csv?${env:SIGNED}",
    "abfs://container@account.dfs.core.windows.net/a.csv",
    "sftp://reader@host/a.csv",
    "${env:WHOLE}",
    "a.csv?x=1",
    "",
]
WRITTEN = [
    "https://reader:abc@host/a.csv",
    "https://reader:a$b@host/a.csv",
    "https://reader:a@b@host/a.csv",
    "HTTPS://u:abc@host/",
    "https://${env:USER}:abc@host/",
    "https://abc@host/a.csv",
    "ftp://reader:abc@host/a.csv",
    "https://host/a.csv?token=abc",
    "https://host/a.csv?day=1&X-Amz-Signature=abc",
    "https://host/a.csv?sv=1&sig=abc",
    "https://host/a.csv?api_key=abc#top",
    "https://host/a.csv?apikey=abc",
    "https://host/a.csv?key=abc",
    "https://host/a.csv?AWSAccessKeyId=abc",
    " https://u:abc@host/",
]


@pytest.mark.parametrize("address", FINE)
def test_address_without_a_literal_secret_is_accepted(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize("address", WRITTEN)
def test_literal_secret_in_an_address_raises_without_repeating_it(address: str) -> None:
    with pytest.raises(
        RowError,
        match=r"a password, token or key stands in the address; name it instead: \$\{env:NAME\}",
    ) as caught:
        check_address(address)
    assert "abc" not in str(caught.value)
    assert "a$b" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["${NAME}", "${ENV:NAME}", "${env:}", "${env:A B}", "a${vault:x}b", "${env:NAME", "${}"]
)
def test_invalid_secret_reference_raises(text: str) -> None:
    with pytest.raises(
        RowError,
        match=r"names no secret: expected \$\{env:NAME\} for a variable of the environment, "
        r"\$\{secret:",
    ):
        check_address(text)


@pytest.mark.parametrize(
    "options",
    [
        {
            "key": "${env:KEY}",
            "secret": "${env:SECRET}",
            "token": None,
            "anon": False,
            "endpoint_url": "http://127.0.0.1:9000",
        },
        {"headers": {"Authorization": "Bearer ${env:TOKEN}", "X-Day": "1"}},
        {"token": "anon"},
        {"token": "google_default"},
        {"token": "/etc/reader.json"},
        {"account_name": "ours", "use_ssl": True},
        {"connection_string": "AccountName=ours;AccountKey=${env:KEY}"},
        {"config_kwargs": {"max_pool_connections": 5}},
    ],
)
def test_options_with_secret_references_are_accepted(options: dict[str, object]) -> None:
    check_options(options)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"secret": "abc"}, "options, secret"),
        ({"key": "abc"}, "options, key"),
        ({"password": 4711}, "options, password"),
        ({"headers": {"Authorization": "Bearer abc"}}, "options, headers, Authorization"),
        ({"token": ["abc"]}, "options, token"),
        ({"account_key": "abc"}, "options, account_key"),
        ({"client_kwargs": {"headers": {"X-Api-Key": "abc"}}}, "X-Api-Key"),
        ({"connection_string": "AccountName=ours;AccountKey=abc"}, "options, connection_string"),
        (
            {"connection_string": "AccountName=${env:A};AccountKey=abc"},
            "options, connection_string",
        ),
        ({"endpoint_url": "http://u:abc@host"}, "options, endpoint_url"),
        ({"sas_token": "sv=1&sig=abc"}, "options, sas_token"),
        ({"proxy": "http://u:abc@host:80"}, "options, proxy"),
        ({"cookies": {"session": "abc"}}, "options, cookies, session"),
    ],
)
def test_literal_secret_in_options_raises_with_its_key_without_repeating_it(
    options: dict[str, object], where: str
) -> None:
    with pytest.raises(RowError, match=rf"{where}: .* name it instead: ") as caught:
        check_options(options)
    assert "abc" not in str(caught.value)
    assert "4711" not in str(caught.value)


def test_secrets_in_addresses_and_similar_texts_are_found() -> None:
    assert [*written_secrets("https://u:p@h/?sig=s&day=1")] == ["p", "s"]
    assert [*written_secrets("AccountName=a;AccountKey=k==")] == ["k=="]
    assert [*written_secrets("sv=1&sig=s")] == ["s"]

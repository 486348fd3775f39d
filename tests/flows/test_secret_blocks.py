"""Secret blocks of Prefect that a catalog references."""

import traceback
from typing import Any

import pytest
from prefect.blocks.system import Secret

from data.errors import RowError
from tasks.store.secrets import Secrets

pytestmark = pytest.mark.usefixtures("engine")


# What a block gives must be what was saved, though some of these are JSON too.
@pytest.mark.parametrize(
    "value",
    [
        "lumo/s@la",
        "1.10",
        "007",
        "1e5",
        "true",
        '"quoted"',
        '{"type": "made"}',
        "12345678901234567890",
    ],
)
def test_secret_block_value_is_read_and_masked_in_messages(value: str) -> None:
    Secret(value=value).save("made-password", overwrite=True)
    secrets = Secrets()
    assert secrets.reveal("a${secret:made-password}b") == f"a{value}b"
    assert secrets.hide(f"got {value} there") == "got *** there"


def test_secret_block_of_several_values_is_read_as_json() -> None:
    Secret(value={"type": "made", "key": "lumo"}).save("made-account", overwrite=True)
    assert Secrets().reveal("${secret:made-account}") == '{"type": "made", "key": "lumo"}'


@pytest.mark.parametrize("name", ["made-nothing", "MADE_NOTHING"])
def test_missing_secret_block_raises_with_its_name(name: str) -> None:
    message = (
        rf"Prefect has no Secret block '{name}', which the catalog names as "
        rf"\$\{{secret:{name}\}}: set it where the flow runs"
    )
    with pytest.raises(RowError, match=message):
        Secrets().reveal(f"${{secret:{name}}}")


def test_failed_flow_shows_no_secret_on_its_page(
    made_catalog: Any,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    import yaml
    from prefect.client.orchestration import get_client

    from flows.retrain import retrain

    Secret(value="gr@k/lumo").save("made-password", overwrite=True)
    entry = yaml.safe_load(made_catalog.read_text())["made_sentiment"]
    entry["source"] = {
        "kind": "files",
        "paths": {"all": "http://r:${secret:made-password}@127.0.0.1:1/a.csv"},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"mine": entry}))
    monkeypatch.setenv("REFRAIN_HOME", str(tmp_path / "store"))
    state: Any = retrain("mine", catalog=str(tmp_path / "mine.yaml"), return_state=True)
    with pytest.raises(
        OSError, match=r"cannot read http://r:\$\{secret:made-password\}@127\.0\.0\.1:1/a\.csv: "
    ) as caught:
        state.result()
    with get_client(sync_client=True) as client:
        shown = [
            client.read_flow_run(state.state_details.flow_run_id).model_dump_json(),
            caplog.text,
        ]
    shown += ["".join(traceback.format_exception(caught.value)), repr(state)]
    assert not [text for text in shown if "gr@k" in text or "gr%40k" in text]

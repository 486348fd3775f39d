"""The trend of a dataset's last decisions."""

import pytest

from tasks.pages.trend import spark


@pytest.mark.parametrize(
    ("values", "bars"), [([1.0], "▁"), ([2.0, 2.0], "▁▁"), ([0.0, 7.0, 3.5], "▁█▅")]
)
def test_bars_rise_with_the_values(values: list[float], bars: str) -> None:
    assert spark(values) == bars

"""Rows of a split as a registered model reads them: raw, with the name of the column it predicts."""

import pandas as pd
import pyarrow as pa

from rnn_models.problem import find_problem
from tasks.serving.predictor import side_by_side
from tasks.store.artifacts import TokenSet


def raw_rows(table: pa.Table, tokens: TokenSet) -> tuple[pd.DataFrame, str]:
    """What a model is given of some rows, raw, and the name of what it says: of a text that is said, its label goes with it."""
    source, target = ["", *find_problem(tokens.problem).sides(table.column_names)][-2:]
    if target == "text":
        return table.to_pandas(), target
    rows = table[source].to_pylist()
    if target != "tags":
        return pd.DataFrame({"text": rows}), target
    # A version of before tokens were taken reads the text.
    return pd.DataFrame(
        {"text": [side_by_side(tokens.tokenizer, row)[0] for row in rows], "tokens": rows}
    ), target

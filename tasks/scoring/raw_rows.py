"""Rows of a split as a registered model reads them."""

import pandas as pd
import pyarrow as pa

from rnn_models.problem import find_problem
from tasks.serving.predictor import side_by_side
from tasks.store.artifacts import TokenSet


def raw_rows(table: pa.Table, tokens: TokenSet) -> pd.DataFrame:
    """Give the rows of a table as a request has them; a continued text keeps its label."""
    problem = find_problem(tokens.problem)
    if problem.output.is_continuation:
        return table.to_pandas()
    source = problem.sides(table.column_names)[0]
    rows = table[source].to_pylist()
    if not problem.output.has_entities:
        return pd.DataFrame({"text": rows})
    # A version from before tokens could be sent reads the text.
    texts = [side_by_side(tokens.tokenizer, row)[0] for row in rows]
    return pd.DataFrame({"text": texts, "tokens": rows})

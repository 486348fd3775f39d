"""The file that MLflow loads to serve a model (models from code)."""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from tasks.predictor import Predictor


class RefrainModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """A table with a column ``text`` in; a label, tags or a text for each, and a score, out."""

    def load_context(self, context: Any) -> None:
        """Read weights and vocabularies."""
        self.predictor = Predictor(Path(context.artifacts["model"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Predict for each row of ``model_input``."""
        said, scores = self.predictor.predict(model_input["text"].tolist())
        return pd.DataFrame({self.predictor.target: said, "score": scores})


mlflow.models.set_model(RefrainModel())

"""The file that MLflow loads to serve a model (models from code)."""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from tasks.predictor import Predictor


class RefrainModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """A table with a column ``text`` in; a label, tags or a text for each, and a score, out.

    A model that says texts takes their beginnings, a column ``label`` if it
    was trained with labels, and as params how to draw; with ``judge`` it says
    instead what the tokens of each text cost, in nats.
    """

    def load_context(self, context: Any) -> None:
        """Read weights and vocabularies."""
        self.predictor = Predictor(Path(context.artifacts["model"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Predict for each row of ``model_input``."""
        texts, asked = model_input["text"].tolist(), dict(params or {})
        if self.predictor.target == "text":
            labels = model_input["label"].tolist() if "label" in model_input else None
            if asked.pop("judge", False):
                return pd.DataFrame({"nats": self.predictor.judge(texts, labels)})
            said, scores = self.predictor.go_on(texts, labels, asked)
        else:
            said, scores = self.predictor.predict(texts)
        return pd.DataFrame({self.predictor.target: said, "score": scores})


mlflow.models.set_model(RefrainModel())

"""The file that MLflow loads to serve a model (models from code)."""

import os
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException

from tasks.serving.predict_table import answer
from tasks.serving.predictor import Predictor

SECONDS = "REFRAIN_REQUEST_SECONDS"
# What torch's allocator writes on a CPU, by its versions.
NO_MEMORY = ("can't allocate memory", "not enough memory")


class RefrainModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """A table of raw rows in, a table of answers out.

    A mistake of the caller comes back as an invalid value, which MLflow's
    server answers with status 400; any other error would show a traceback.
    """

    def load_context(self, context: Any) -> None:
        """Read weights and vocabularies."""
        self.predictor = Predictor(Path(context.artifacts["model"]))
        if seconds := os.environ.get(SECONDS):
            self.predictor.limit.most_seconds = float(seconds)

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Answer each row of ``model_input``."""
        try:
            return answer(self.predictor, model_input, params or {})
        except ValueError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and not any(
                sign in str(error) for sign in NO_MEMORY
            ):
                raise
            raise MlflowException.invalid_parameter_value(
                "the texts take more memory than there is: send fewer or shorter ones"
            ) from None


mlflow.models.set_model(RefrainModel())

"""A registered model as MLflow loads it: raw rows in, predictions out."""

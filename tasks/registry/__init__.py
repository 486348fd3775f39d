"""MLflow: runs, model versions and their lineage."""

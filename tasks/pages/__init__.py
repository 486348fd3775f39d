"""Pages in Markdown for the Prefect run, the MLflow run and the screen."""

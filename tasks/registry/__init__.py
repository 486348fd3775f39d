"""MLflow: runs, model versions and their origin. Nothing else imports it here."""

"""Errors that a person can cause or mend, each as one message."""

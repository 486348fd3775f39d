"""The command line of Refrain, and what installs it."""

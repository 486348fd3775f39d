"""Notices about flow runs that ended: recorded in the store, and sent to a channel."""

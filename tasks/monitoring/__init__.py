"""The monitor: new rows and predictions against a champion's data, and the age of a source."""

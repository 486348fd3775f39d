"""Snapshots of a dataset: their partitions, files, log and removal lists."""

"""Tests of rows to ids."""

"""The checks of ``refrain doctor``: one function each, listed in ``refrain/doctor/report.py``."""

"""Python's garbage collector in a command: seldom while it runs, not at all when it ends."""

import atexit
import gc

# Objects between two collections. A command imports 4,000 modules, which never become garbage;
# with Python's own threshold of 700, searching them takes a quarter of the time of the imports.
THRESHOLD = 50_000


def collect_rarely() -> None:
    """Raise the threshold of collections, and leave out those of the interpreter's end.

    The latter take two seconds, after everything was printed and saved, only to free
    memory that the end of the process frees anyway.
    """
    gc.set_threshold(THRESHOLD)
    atexit.register(gc.freeze)

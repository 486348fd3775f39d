import subprocess
import sys

# The callback that is registered first runs last.
PROGRAM = """
import atexit, gc
atexit.register(lambda: print("frozen", gc.get_freeze_count() > 1000))
from refrain.garbage_collection import THRESHOLD, collect_rarely
collect_rarely()
print("threshold", gc.get_threshold()[0] == THRESHOLD)
"""


def test_a_command_leaves_out_the_collections_of_its_end() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["threshold True", "frozen True"], done.stderr

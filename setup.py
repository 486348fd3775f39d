"""Build the wheel: `data`, `tasks` and `flows` become packages inside `refrain`.

Other projects have packages of these names, so a wheel must not install them beside everybody's.
A checkout keeps its folders. `rnn_models` stays as it is, a library that others may import.
"""

import re
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

MOVED = ("data", "tasks", "flows")
IMPORT = re.compile(rf"^(\s*(?:from|import) )(?=(?:{'|'.join(MOVED)})\b)", re.MULTILINE)
ENTRYPOINT = re.compile(r"(entrypoint: )flows/(\w+)\.py:(\w+)")


class BuildPackages(build_py):
    """Copy the packages as always, then move three of them; an editable installation moves none."""

    def run(self) -> None:
        """Build."""
        super().run()
        if not self.editable_mode:
            move_packages(Path(self.build_lib))


def move_packages(folder: Path) -> None:
    """Move packages of a built tree into `refrain`, and follow them in every import."""
    for name in MOVED:
        shutil.rmtree(folder / "refrain" / name, ignore_errors=True)  # of an earlier build
        shutil.move(folder / name, folder / "refrain" / name)
    for path in (folder / "refrain").rglob("*.py"):
        path.write_text(IMPORT.sub(r"\1refrain.", path.read_text("utf-8")), "utf-8")
    deployments = Path("prefect.yaml").read_text("utf-8")
    deployments = ENTRYPOINT.sub(r"\1refrain.flows.\2.\3", deployments)
    (folder / "refrain" / "prefect.yaml").write_text(deployments, "utf-8")
    shutil.copy("main_job.yaml", folder / "refrain")


setup(cmdclass={"build_py": BuildPackages})

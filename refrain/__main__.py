"""``refrain`` and ``python -m refrain``: our folder comes first, as others have a ``tasks`` too."""

import sys
from pathlib import Path


def main() -> None:
    """Run the command line."""
    root = Path(__file__).resolve().parents[1]
    if (root / "pyproject.toml").is_file():  # a checkout: others have packages called tasks too
        sys.path.insert(0, str(root))
    from refrain.app import main as command_line

    command_line()


if __name__ == "__main__":
    main()

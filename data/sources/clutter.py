"""Files that operating systems leave in folders and archives, which nobody means to read."""

CLUTTER = (
    ".ds_store",
    "thumbs.db",
    "desktop.ini",
    "icon\r",
)


def is_clutter(path: str) -> bool:
    """Whether an operating system made a file, and not the user."""
    *folders, name = path.replace("\\", "/").split("/")
    return "__MACOSX" in folders or name.startswith("._") or name.lower() in CLUTTER

"""What a figure is about and what it should reach."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Wanted:
    """A figure that no peer has: its name, what it says, its goal, at most."""

    figure: str
    about: str
    goal: float
    unit: str

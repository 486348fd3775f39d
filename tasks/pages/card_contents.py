"""The contents of a model card, and how its lists and names are shortened."""

from collections.abc import Mapping
from dataclasses import dataclass

from rnn_models.output_kind import OutputKind
from rnn_models.problem import find_problem
from tasks.pages.markdown import cell
from tasks.scoring.slices import SplitFacts
from tasks.store.artifacts import Checkpoint, ModelVersion, Promotion, Scores, Snapshot, TokenSet

NAME_CHARACTERS = 40
SENTENCE_CHARACTERS = 600


@dataclass(frozen=True, kw_only=True)
class Card:
    """The contents of a card.

    ``tags`` are the version's, ``trained`` is the day of its training,
    ``promotion`` the decision on it, None before there is one.
    """

    version: ModelVersion
    checkpoint: Checkpoint
    snapshot: Snapshot
    tokens: TokenSet
    scores: Scores
    facts: SplitFacts
    tags: Mapping[str, str]
    trained: str
    promotion: Promotion | None = None

    @property
    def kind(self) -> OutputKind:
        """The shape of the model's answers."""
        return find_problem(self.scores.problem).output


def listed(names: list[str], most: int) -> str:
    """List names, and count those beyond ``most``."""
    return ", ".join(
        [
            *map(short_name, names[:most]),
            *([f"{len(names) - most} more"] if len(names) > most else []),
        ]
    )


def short_name(name: str) -> str:
    """Write the beginning of a name as a cell of a table."""
    return cell(name[:NAME_CHARACTERS])

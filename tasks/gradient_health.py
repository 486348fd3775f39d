"""Token set to gradient health: the first steps of a training, with and without clipping."""

import json
import logging
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rnn_models.diagnostics.diagnosis import Diagnosis, advice, diagnose
from rnn_models.diagnostics.probe import Probe, probe
from rnn_models.problem import find_problem
from rnn_models.settings import TrainSettings
from tasks.pages.health import REPORT
from tasks.pages.training import clipping_words
from tasks.settings import TrainChanges, changes
from tasks.store.artifacts import Health, TokenSet
from tasks.store.code import code_digest, digest, training_code
from tasks.store.durable import write_text

log = logging.getLogger(__name__)


def health_code() -> str:
    """Digest the code of the probe and its page."""
    return code_digest(
        "rnn_models/diagnostics/probe.py",
        "rnn_models/diagnostics/diagnosis.py",
        alone=["tasks/gradient_health.py", "tasks/pages/health.py", "tasks/pages/markdown.py"],
    )


def check_health(tokens: TokenSet, settings: TrainChanges, num_steps: int) -> Health:
    """Probe the first steps of a training with and without clipping, or find an earlier report.

    Raises:
        ValueError: If the settings do not clip: then there is nothing to compare.
    """
    problem = find_problem(tokens.problem)
    chosen = health_settings(problem.defaults.with_changes(changes(settings)))
    key = digest(
        tokens.digest, chosen.of_weights, num_steps, training_code(problem.name), health_code()
    )
    with Health.once(tokens.dataset, key) as (found, folder):
        if found:
            log.info("Unchanged")
            return found
        clipped, free = (
            followed_probe(tokens, chosen.with_changes({"clipping": how}), num_steps)
            for how in (chosen.clipping, "none")
        )
        diagnosis = diagnose(clipped, free, clipping_words(chosen))
        write_report(folder, tokens, chosen, diagnosis, [clipped, free])
        return Health(
            dataset=tokens.dataset,
            digest=key,
            tokens=tokens.digest,
            verdict=diagnosis.verdict,
            clip_norm=diagnosis.clip_norm,
        ).commit()


def health_settings(settings: TrainSettings) -> TrainSettings:
    """Return settings with the measurements that the report needs.

    Raises:
        ValueError: If the settings do not clip.
    """
    if settings.clipping == "none":
        raise ValueError(
            "training.clipping must be norm, value or adaptive, got 'none': "
            "the report includes a training without clipping"
        )
    return settings if settings.measure_every else settings.with_changes({"measure_every": 10})


def followed_probe(tokens: TokenSet, settings: TrainSettings, num_steps: int) -> Probe:
    """Run the first steps of a training, and log it."""
    log.info(
        "%d steps of %s, gradients clipped by %s",
        num_steps,
        tokens.dataset,
        clipping_words(settings),
    )
    found = probe(
        find_problem(tokens.problem),
        tokens.examples("train"),
        tokens.model_sizes(),
        settings,
        num_steps=num_steps,
        vectors=tokens.word_vectors(),
    )
    log.info("%d steps done", len(found.steps))
    return found


def write_report(
    folder: Path,
    tokens: TokenSet,
    settings: TrainSettings,
    diagnosis: Diagnosis,
    probes: list[Probe],
) -> None:
    """Write the data of the page and its figures."""
    report = {
        "dataset": tokens.dataset,
        "problem": tokens.problem,
        "verdict": diagnosis.verdict,
        "clip_norm": diagnosis.clip_norm,
        "sentences": diagnosis.sentences,
        "advice": advice(diagnosis, settings),
        "clipped_by": clipping_words(settings),
        "clipped": asdict(diagnosis.clipped),
        "free": asdict(diagnosis.free),
        "series": {
            name: series(probe) for name, probe in zip(("clipped", "free"), probes, strict=True)
        },
        "settings": asdict(settings),
        "rows": tokens.rows["train"],
        "snapshot": tokens.snapshot,
        "tokens": tokens.digest,
    }
    text = json.dumps(finite(report), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(folder / REPORT, f"{text}\n")


def series(probe: Probe) -> dict[str, Any]:
    """Return the steps of a probe as columns, and its gradients by distance."""
    names = ("loss", "gradient_norm", "allowed_norm", "is_clipped", "learning_rate", "update_ratio")
    columns = {name: [getattr(step, name) for step in probe.steps] for name in names}
    return columns | {"decay_before": probe.decay_before, "decay_after": probe.decay_after}


def finite(value: Any) -> Any:
    """Replace numbers that JSON cannot write with None."""
    if isinstance(value, dict):
        return {name: finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

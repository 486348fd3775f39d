"""The page of a promotion, and its summary for the screen."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rnn_models.evaluation.significance import ClassChange, Comparison
from tasks.pages.markdown import cell
from tasks.pages.run_pages import artifact_key
from tasks.pages.scores import digits, interval, title
from tasks.promotion.rule import guard_of, has_fallen, level
from tasks.registry.mlflow_client import CHAMPION, run_link, version_link, version_with_alias
from tasks.registry.versions import SCORES, version_info
from tasks.scoring.outputs import best_baseline
from tasks.settings import PromotionSettings
from tasks.store.artifacts import Checkpoint, Promotion, Scores, Snapshot, TokenSet

CLASSES_SAID = (
    "A class falls if it loses more than its guard and that is more than chance, all classes "
    "being counted (Holm). "
    "Few examples prove nothing: a class that loses all of four may have lost them by chance."
)

RAW_TEXT = "test tokens put together as text is written, and cut as it is served"


def promotion_text(promotion: Promotion, scores: Scores, sections: Iterable[str] = ()) -> str:
    """Write the decision, its evidence and all scores in Markdown; the reason comes first.

    Args:
        promotion: The decision.
        scores: Of the challenger.
        sections: What else the page has, before its links.
    """
    parts = [
        f"# {_heading(promotion)}",
        f"**{cell(promotion.reason)}**",
        *answer_lines(promotion),
        "\n".join(_compared_rows(promotion, scores)),
        *(["\n".join(_class_rows(promotion)), CLASSES_SAID] if promotion.classes else []),
        "\n".join(_score_rows(scores, _champion_scores(promotion, scores))),
        *sections,
        f"[MLflow run]({run_link(promotion.mlflow_run)}), [version {promotion.version}]"
        f"({version_link(promotion.dataset, promotion.version)}), "
        f"decision `{promotion.digest}` of the ledger "
        f"(`refrain history {promotion.dataset}`), test split `{scores.test_split}`",
    ]
    return "\n\n".join(parts) + "\n"


def question_text(promotion: Promotion) -> str:
    """Write the question above the form of a suspended flow run."""
    page = artifact_key("promotion", promotion.dataset)
    return (
        f"{cell(promotion.dataset)}, version {promotion.version}, {cell(promotion.reason)}.\n\n"
        f"The evidence is on the page `{page}`, under Artifacts."
    )


def answer_lines(promotion: Promotion) -> Iterator[str]:
    """Describe how to answer; nothing for a decision that does not wait."""
    if promotion.asked_until:
        name = promotion.dataset
        yield (
            f"**Your decision:** press *Resume* on this flow run, or type `refrain decide {name} "
            f"promote` or `refrain decide {name} keep`. Without an answer the champion stays."
        )


def _heading(promotion: Promotion) -> str:
    if promotion.is_promoted:
        decision = "promoted"
    elif promotion.asked_until:
        decision = "waits for a person"
    else:
        champion = promotion.champion_version
        decision = f"champion stays version {champion}" if champion else "not promoted"
    return f"{promotion.dataset}, version {promotion.version}: {decision}"


def _compared_rows(promotion: Promotion, scores: Scores) -> Iterator[str]:
    settings = PromotionSettings(**promotion.settings)
    metric = promotion.metric
    n = digits(metric)
    yield f"| {title(metric)} | |"
    yield "|---|---|"
    score = interval(metric, scores.metrics[metric])
    yield f"| challenger, version {promotion.version} | {score} |"
    if promotion.comparison:
        found = Comparison(**promotion.comparison)
        yield f"| {promotion.against} | {found.theirs:.{n}f} |"
        low = f"{found.low:+.{n + 1}f}"
        high = f"{found.high:+.{n + 1}f}"
        yield f"| gain | {found.gain:+.{n + 1}f}, {level(found)} interval {low} to {high} |"
        both = f"bootstrap {found.p_bootstrap:.4f}, swaps {found.p_swaps:.4f}"
        yield f"| p-value, one-sided | {found.p_value:.4f} ({both}) |"
        yield f"| size | {found.num_examples:,} examples, {found.num_resamples:,} resamples |"
    words = policy_words(settings, is_first=not promotion.champion_version)
    yield f"| policy | {settings.policy}: {words} |"
    if promotion.decided_by:
        yield f"| decided by | {cell(promotion.decided_by)} |"


def policy_words(settings: PromotionSettings, *, is_first: bool) -> str:
    """Describe what a policy requires."""
    person = ", and a person agrees" if settings.policy == "ask" else ""
    if is_first and settings.policy in ("superior", "not_worse", "ask"):
        return (
            "the first model of its name must score better than the baseline that is best on "
            f"validation{person}"
        )
    guarded = "no class may fall beyond its guard"
    superior = (
        f"p at most {settings.alpha:g}, a gain of {settings.min_effect:g} points at least, "
        f"{guarded}"
    )
    return {
        "superior": superior,
        "ask": f"{superior}{person}",
        "not_worse": f"the interval above -{settings.margin:g} points, {guarded}",
        "always": "no comparison",
        "never": "a person decides",
    }[settings.policy]


def _class_rows(promotion: Promotion) -> Iterator[str]:
    settings = PromotionSettings(**promotion.settings)
    yield (
        "| F1 of | in the test split | challenger | champion | gain | p of a fall | may fall by | |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|---|"
    for change in (ClassChange(**found) for found in promotion.classes):
        guard = guard_of(change.name, settings)
        mark = "**falls**" if has_fallen(change, settings) else "holds"
        yield (
            f"| {cell(change.name)} | {change.num_examples:,} | {change.ours:.1f} "
            f"| {change.theirs:.1f} | {change.gain:+.1f} "
            f"| {change.p_fall:.4f} | {guard:g} | {mark} |"
        )


def _champion_scores(promotion: Promotion, scores: Scores) -> Mapping[str, dict[str, Any]]:
    """Find the champion's own scores, if they are on the same test split."""
    version = promotion.champion_version
    info = version_info(promotion.dataset, version) if version else None
    key = info.tags.get(SCORES, "") if info else ""
    found = Scores.find(promotion.dataset, key) if key else None
    return found.metrics if found and found.test_split == scores.test_split else {}


def _score_rows(scores: Scores, champion: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    yield "| on the test split | score, 95 % interval | champion | how |"
    yield "|---|---|---|---|"
    for name, score in scores.metrics.items():
        theirs = interval(name, champion[name]) if name in champion else ""
        yield f"| {title(name)} | {interval(name, score)} | {theirs} | {score['signature']} |"
    for name, value in scores.raw_text.items():
        yield f"| {title(name)} of raw text | {value:.{digits(name)}f} | | {RAW_TEXT} |"
    for name, values in scores.baselines.items():
        for metric, value in values.items():
            best = (
                "best baseline on the validation split"
                if name == scores.baseline and len(scores.baselines) > 1
                else ""
            )
            shown = f"{value:.{digits(metric)}f}"
            yield f"| {title(metric)} of {name.replace('_', ' ')} | {shown} | | {best} |"


def summary(promotion: Promotion) -> dict[str, Any]:
    """Summarize a retraining for a row on the screen."""
    scores = _existing(Scores.find(promotion.dataset, promotion.scores), "scores")
    checkpoint = _existing(Checkpoint.find(promotion.dataset, scores.checkpoint), "checkpoint")
    tokens = _existing(TokenSet.find(promotion.dataset, scores.tokens), "tokens")
    snapshot: Snapshot = tokens.snapshot_of()
    baseline, baseline_score = best_baseline(scores)
    return {
        "dataset": promotion.dataset,
        "problem": scores.problem,
        "rows": tokens.rows,
        "all_train_rows": snapshot.rows["train"],
        "limit": tokens.limit,
        "refused": snapshot.rows.get("refused", 0),
        "metric": scores.headline,
        "metric_title": title(scores.headline),
        "digits": digits(scores.headline),
        "metrics": scores.metrics,
        "baseline": baseline,
        "baseline_score": baseline_score,
        "epochs": checkpoint.epochs,
        "train_seconds": checkpoint.train_seconds,
        "version": promotion.version,
        "aliases": promotion.aliases,
        "champion": version_with_alias(promotion.dataset, CHAMPION) or "",
        "reason": promotion.reason,
        "asked_until": promotion.asked_until,
        "mlflow_run": promotion.mlflow_run,
        "link": run_link(promotion.mlflow_run),
    }


def _existing(artifact: Any, what: str) -> Any:
    if artifact is None:
        raise ValueError(f"the {what} behind this promotion are gone from the store: retrain")
    return artifact

"""A problem with a new shape of answers is one file, from ingestion to `refrain predict`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests.conftest import ENTRY, write_ratings

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("data", "flows", "refrain", "rnn_models", "tasks")
# An interval that holds a number with a probability of 68 %, scored as in Gneiting and Raftery
# (2007), equation 43.
INTERVAL = """
from dataclasses import replace

import numpy as np
from torch import nn

from rnn_models.decoding.predict import predict_all
from rnn_models.evaluation.baseline import Baseline
from rnn_models.evaluation.metric import Metric
from rnn_models.layers.pooled_encoder import PooledEncoder
from rnn_models.output_kind import Input, OutputKind
from rnn_models.problem import Loss, Problem
from rnn_models.settings import TrainSettings


def loss(model, batch):
    mean, log_variance = model(batch.source, batch.source_lengths).unbind(1)
    found = nn.functional.gaussian_nll_loss(
        mean, batch.target[:, 0], log_variance.exp(), reduction="sum"
    )
    return Loss(found, len(batch), found.detach())


def predict(model, batch):
    mean, log_variance = model(batch.source, batch.source_lengths).unbind(1)
    deviation = (log_variance / 2).exp()
    return list(zip((mean - deviation).tolist(), (mean + deviation).tolist()))


def penalties(hypotheses, references):
    low, high = np.asarray(hypotheses, dtype=float).T
    target = np.asarray(references, dtype=float)
    outside = np.maximum(low - target, 0) + np.maximum(target - high, 0)
    return np.column_stack([high - low + 2 / 0.32 * outside, np.ones(len(target))])


def decode(decoder, output, row=None):
    return [decoder.decode([edge]) for edge in output]


def predictions(problem, model, examples, decode_all):
    found = decode_all(predict_all(problem, model, examples))
    return found, {"output": found}


def answer(served, request):
    found = [served.decode(o, r) for o, r in zip(served.outputs(request.rows), request.rows)]
    return {"low": [low for low, _ in found], "high": [high for _, high in found]}


OUTPUT = OutputKind(
    column="interval",
    inputs={"text": Input(str)},
    columns={"low": float, "high": float},
    answer=answer,
    render=lambda row: [f"from {row['low']:.3f} to {row['high']:.3f}"],
    confidence="",
    predictions=predictions,
    reference=float,
    decode=decode,
    decode_targets=lambda decoder, targets: [decode(decoder, target) for target in targets],
    ids=lambda output: output,
    from_ids=lambda ids, labels: ids if len(ids) == 2 else ids[0],
    served_predictions=lambda answers: list(zip(answers["low"], answers["high"])),
    shape="a text in, an interval out",
    limit="It gives an interval to any text.",
    architecture=lambda settings: "two numbers",
)
PROBLEM = Problem(
    name="interval",
    rows=("text", "score"),
    unit="example",
    metrics=("interval_score",),
    baselines=("one_deviation",),
    own_metrics=(
        Metric(
            "interval_score", "interval score", penalties, lambda s: s[:, 0] / s[:, 1], is_cost=True
        ),
    ),
    own_baselines=(
        Baseline(
            name="one_deviation",
            predict=lambda train, test: [[-1.0, 1.0]] * len(test),
            num_learnt=lambda train: 2,
        ),
    ),
    defaults=TrainSettings(
        embedding_size=16, hidden_size=16, max_epochs=12, learning_rate=0.02, batch_size=8
    ),
    build=lambda sizes, settings: PooledEncoder(replace(sizes, target=2), settings),
    loss=loss,
    predict=predict,
    output=OUTPUT,
)
"""
LINE = """
import json
from tasks.evaluate import evaluate
from tasks.ingest import ingest
from tasks.promote import promote
from tasks.register import register
from tasks.settings import Settings
from tasks.task_states import directly
from tasks.tokenize import tokenize
from tasks.train import train
settings = Settings()
snapshot = directly(ingest, "made", "catalog.yaml")
tokens = directly(tokenize, snapshot, settings.tokens, "catalog.yaml")
checkpoint = directly(train, tokens, settings.training)
scores = directly(evaluate, checkpoint, tokens, settings.evaluation, "catalog.yaml")
challenger = directly(register, checkpoint, tokens, scores, "catalog.yaml")
promotion = directly(promote, challenger, scores, tokens, settings.promotion)
print(json.dumps({"is_promoted": promotion.is_promoted, "reason": promotion.reason}))
"""
INTERVALS = ENTRY | {
    "problem": "interval",
    "source": {"kind": "files", "paths": {"all": "ratings.csv"}},
    "columns": {"text": "text", "score": "stars"},
    "splits": {"validation": 0.15, "test": 0.2},
}


def run(folder: Path, *words: str) -> str:
    """Run Python in a copy of the repository, without this repository on its path."""
    env = os.environ | {"REFRAIN_HOME": str(folder / "store"), "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_problem_with_a_new_output_kind_is_one_file(tmp_path: Path) -> None:
    for package in PACKAGES:
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=skipped)
    (tmp_path / "rnn_models/problems/interval.py").write_text(INTERVAL)
    write_ratings(tmp_path / "ratings.csv")
    (tmp_path / "catalog.yaml").write_text(yaml.safe_dump({"made": INTERVALS}))
    decision = json.loads(run(tmp_path, "-c", LINE).splitlines()[-1])
    assert decision["is_promoted"], decision["reason"]
    assert decision["reason"].startswith("first champion: interval score ")
    assert " of one deviation, gain +" in decision["reason"]
    shown = run(tmp_path, "-m", "refrain", "predict", "made", "lumo lumo lumo")
    edges = [float(word) for word in shown.split()[1::2]]
    assert shown.startswith("from ")
    assert edges[0] < edges[1]

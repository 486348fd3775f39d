"""The peers of ``benchmarks.speed``: for each an environment, a configuration, a log reader.

All of it lies in ``.refrain-speed``, and stays there for the next sitting.
"""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.lib.figures import ROOT
from benchmarks.quality.files import SHARED

HOME = ROOT / ".refrain-speed"
WORK = HOME / "work"
SCRIPTS = ROOT / "benchmarks" / "speed" / "peers"
TORCH = "torch==2.13.0"
PACKAGES = {
    "joeynmt": (
        "joeynmt==2.3.0",
        "importlib_metadata",
        TORCH,
    ),  # which it imports and does not ask for
    "opennmt": ("OpenNMT-py==3.0.4", TORCH),
    "flair": ("flair==0.15.1", TORCH),
}
MERGES = 10_000
SPLITS = {"train": "train", "validation": "val", "test": "test_2016_flickr"}
LANGUAGES = ("en", "de")
JOEY_SPEED = re.compile(r"Step:\s+(\d+),.*?Tokens per Sec:\s+([\d.]+)")
ONMT_SPEED = re.compile(r"Step\s+(\d+)/\s*\d+;.*?/\s*(\d+) tok/s")
JOEY_DECODED = re.compile(r"Generation took ([\d.]+)\[sec\]")


def program(peer: str, name: str = "python") -> Path:
    """A program of a peer's environment, which is made if it is not there."""
    folder = HOME / "environments" / peer
    done = folder / "done.json"
    if not (done.exists() and json.loads(done.read_text()) == list(PACKAGES[peer])):
        print(f"making the environment of {peer}: {', '.join(PACKAGES[peer])}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run(
            [folder / "bin" / "python", "-m", "pip", "install", "--quiet", *PACKAGES[peer]],
            check=True,
        )
        done.write_text(json.dumps(PACKAGES[peer]))
    return folder / "bin" / name


def run_peer(command: Sequence[str | Path], threads: int, **more: str) -> str:
    """What a program prints, its errors too, run in the folder of the inputs on so many threads.

    Args:
        command: What is run.
        threads: Of the process.
        more: Variables of the peer's program, without this process' ``GOMP_SPINCOUNT``.

    Raises:
        RuntimeError: If it fails, with the end of what it printed.
    """
    inherited = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    environment = inherited | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT)} | more
    done = subprocess.run(
        command,
        cwd=WORK,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{done.stdout[-3000:]}")
    return done.stdout


def prepare_inputs() -> None:
    """Lay out what all sides read: captions cut by one BPE, CoNLL-2003, and the film reviews."""
    WORK.mkdir(parents=True, exist_ok=True)
    if not (WORK / "test.bpe.de").exists():
        cut_captions()
    if not (WORK / "reviews.tsv").exists():
        tagged = SHARED / "ner/conll2003_en"
        (WORK / "train.txt").write_bytes(gzip.decompress((tagged / "train.txt.gz").read_bytes()))
        for name in ("valid.txt", "test.txt"):
            shutil.copyfile(tagged / name, WORK / name)
        lay_out_reviews()


def cut_captions() -> None:
    """Write Multi30k as its publisher cut it, and in pieces of a BPE over both languages."""
    for split, name in SPLITS.items():
        for language in LANGUAGES:
            packed = SHARED / "mt/multi30k_tok" / f"{name}.lc.norm.tok.{language}.gz"
            (WORK / f"{split}.{language}").write_bytes(gzip.decompress(packed.read_bytes()))
    both = b"".join((WORK / f"train.{language}").read_bytes() for language in LANGUAGES)
    tool = program("joeynmt", "subword-nmt")
    learnt = subprocess.run(
        [tool, "learn-bpe", "-s", str(MERGES)],
        input=both,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    (WORK / "codes").write_bytes(learnt.stdout)
    for split in SPLITS:
        for language in LANGUAGES:
            with (
                (WORK / f"{split}.{language}").open("rb") as source,
                (WORK / f"{split}.bpe.{language}").open("wb") as target,
            ):
                subprocess.run(
                    [tool, "apply-bpe", "-c", WORK / "codes"],
                    stdin=source,
                    stdout=target,
                    stderr=subprocess.DEVNULL,
                    check=True,
                )


def lay_out_reviews() -> None:
    """Write the film reviews, kinds in turn, a label and a text a line."""
    kinds = [
        (SHARED / f"sentiment/rt_polarity/rt-polarity.{kind}").read_text(encoding="latin-1")
        for kind in ("pos", "neg")
    ]
    rows = zip(*(text.split("\n")[:-1] for text in kinds), strict=True)
    lines = [
        f"{label}\t{' '.join(text.split())}"
        for row in rows
        for label, text in zip(("pos", "neg"), row, strict=True)
    ]
    (WORK / "reviews.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def joeynmt_settings(folder: str, updates: int, every: int, sentences: str = "") -> dict[str, Any]:
    """Write JoeyNMT's configuration: a training, or a beam search of a trained model."""
    side = {
        "max_length": 60,
        "level": "word",
        "voc_min_freq": 1,
        "tokenizer_type": "none",
    }  # the pieces are cut already
    layer = {
        "type": "recurrent",
        "rnn_type": "lstm",
        "embeddings": {"embedding_dim": 256},
        "dropout": 0.2,
        "num_layers": 1,
    }
    symbols = {"unk": "<unk>", "pad": "<pad>", "bos": "<s>", "eos": "</s>"}
    special = {
        f"{name}_{kind}": value
        for i, (name, token) in enumerate(symbols.items())
        for kind, value in (("token", token), ("id", i))
    }
    files = {"test": sentences} if sentences else {"train": "train.bpe", "dev": "validation.bpe"}
    return {
        "name": "speed",
        "joeynmt_version": "2.3.0",
        "model_dir": folder,
        "use_cuda": False,
        "random_seed": 1,
        "data": {
            "dataset_type": "plain",
            "src": {"lang": "en", **side},
            "trg": {"lang": "de", **side},
            "special_symbols": special,
            **files,
        },
        "testing": {
            "beam_size": 5,
            "beam_alpha": 1.0,
            "n_best": 1,
            "batch_size": 64,
            "batch_type": "sentence",
            "max_output_length": 60,
            "generate_unk": False,
            "eval_metrics": ["bleu"],
            "sacrebleu_cfg": {"tokenize": "none"},
        },
        # With this torch its plateau schedule fails, so an exponential one that hardly moves.
        "training": {
            "optimizer": "adamw",
            "learning_rate": 1e-3,
            "scheduling": "exponential",
            "decrease_factor": 0.99,
            "normalization": "tokens",
            "loss": "crossentropy",
            "label_smoothing": 0.1,
            "clip_grad_norm": 1.0,
            "batch_size": 64,
            "batch_type": "sentence",
            "epochs": 20,
            "updates": updates,
            "logging_freq": every,
            "validation_freq": 1_000_000 * every,
            "early_stopping_metric": "loss",
            "overwrite": True,
            "shuffle": True,
        },
        "model": {
            "initializer": "xavier_uniform",
            "encoder": {**layer, "hidden_size": 256, "bidirectional": True},
            "decoder": {
                **layer,
                "hidden_size": 512,
                "hidden_dropout": 0.2,
                "input_feeding": True,
                "init_hidden": "bridge",
                "attention": "luong",
            },
        },
    }


def opennmt_settings(updates: int, every: int) -> dict[str, Any]:
    """OpenNMT-py's configuration of the same training."""
    files = {
        split: {
            f"path_{side}": f"{split}.bpe.{language}"
            for side, language in zip(("src", "tgt"), LANGUAGES, strict=True)
        }
        for split in ("train", "validation")
    }
    return {
        "data": {"train": files["train"] | {"weight": 1}, "valid": files["validation"]},
        "save_data": "./onmt",
        "src_vocab": "./onmt.source",
        "tgt_vocab": "./onmt.target",
        "overwrite": True,
        "save_model": "./onmt.model",
        "train_steps": updates,
        "valid_steps": 1_000_000,
        "save_checkpoint_steps": 1_000_000,
        "report_every": every,
        "encoder_type": "brnn",
        "decoder_type": "rnn",
        "rnn_type": "LSTM",
        "enc_layers": 1,
        "dec_layers": 1,
        "src_word_vec_size": 256,
        "tgt_word_vec_size": 256,
        "hidden_size": 512,
        "input_feed": 1,
        "global_attention": "general",
        "dropout": [0.2],
        "label_smoothing": 0.1,
        "optim": "adam",
        "learning_rate": 1e-3,
        "max_grad_norm": 1,
        "batch_type": "sents",
        "batch_size": 64,
        "bucket_size": 20_000,
        "num_workers": 0,
        "world_size": 1,
    }


def write_settings(name: str, settings: dict[str, Any]) -> Path:
    """Write a configuration, and give its path."""
    path = WORK / name
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
    return path


def logged_speed(log: str, pattern: re.Pattern[str], warmup: int) -> float:
    """Tokens per second over all intervals of a log that begin after the warm-up.

    Intervals have equal numbers of steps: their times add up, their speeds do not.

    Raises:
        ValueError: If the log has no such interval.
    """
    speeds = [float(speed) for step, speed in pattern.findall(log) if int(step) > warmup]
    if not speeds:
        raise ValueError(f"no speed after step {warmup} in the log; its end:\n{log[-2000:]}")
    return len(speeds) / sum(1 / speed for speed in speeds)


def decoded_seconds(log: str) -> float:
    """Seconds that JoeyNMT's beam search took.

    Raises:
        ValueError: If its log does not say.
    """
    found = JOEY_DECODED.findall(log)
    if not found:
        raise ValueError(f"no time of a generation in the log; its end:\n{log[-2000:]}")
    return float(found[-1])

"""A user's own tokenizer.json."""

import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tokenizers as hf
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from data.errors import RowError
from data.text.encoder import Encoder, Tokenizer, TokenSettings, default_settings
from data.text.user_tokenizer import Renumbering, special_names

TABLE = pa.table({"text": ["lumo sela", "sela Nuri"] * 3, "label": ["n", "p"] * 3})
PAIRS = TABLE.rename_columns(["source", "target"])
TAGS = pa.table({"tokens": [["lumo", "sela"]] * 3, "tags": [["O", "B-X"]] * 3})
# Ids with holes, in an order that is not ours.
WORDS = {"lumo": 0, "[SEP]": 1, "sela": 3, "[UNK]": 4, "nuri": 5, "[CLS]": 7, "[PAD]": 9}


def words_file(path: Path, vocabulary: dict[str, int] = WORDS, unknown: str = "[UNK]") -> str:
    tokenizer = hf.Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.add_special_tokens([name for name in vocabulary if name[0] in "[<"])
    if "[CLS]" in vocabulary:
        tokenizer.post_processor = processors.BertProcessing(
            ("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"])
        )
    tokenizer.enable_padding(length=12)
    tokenizer.enable_truncation(3)
    tokenizer.save(str(path))
    return str(path)


def bytes_file(path: Path) -> str:
    """Byte-level tokens as in GPT-2, with one special token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = hf.Tokenizer(models.BPE({character: i for i, character in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.save(str(path))
    return str(path)


def unigram_file(path: Path) -> str:
    """Subwords in the numbering of SentencePiece."""
    vocabulary = [
        ("<s>", 0.0),
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", 0.0),
        ("▁lumo", -1.0),
        ("▁", -2.0),
        ("s", -3.0),
    ]
    tokenizer = hf.Tokenizer(models.Unigram(vocabulary, 3, False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    tokenizer.save(str(path))
    return str(path)


def built(kind: str, train: pa.Table = TABLE, **changed: Any) -> Encoder:
    return Encoder.build(kind, train, TokenSettings(**{"unicode": "none"} | changed))


def rows_of(encoded: tuple[Any, Any]) -> list[list[int]]:
    return [encoded[0][a:b].tolist() for a, b in pairwise(encoded[1])]


@pytest.mark.parametrize("write", [words_file, bytes_file, unigram_file])
def test_special_ids_come_first_and_ids_have_no_gaps(write: Any, tmp_path: Path) -> None:
    source = built(write(tmp_path / "own.json")).source
    assert source.numbers is not None
    names = [source.inner.id_to_token(int(i)) for i in source.numbers.theirs]
    assert names[:4] == special_names(source.inner)
    assert sorted(names) == sorted(source.inner.get_vocab())
    assert source.size == len(names)
    assert source.numbers.ours[source.numbers.theirs][[1, *range(4, len(names))]].tolist() == [
        1,
        *range(4, len(names)),
    ]


def test_ids_of_the_file_keep_their_order_after_the_special_ones(tmp_path: Path) -> None:
    source = built(words_file(tmp_path / "own.json")).source
    assert rows_of(source.encode(["lumo SELA nuri dosh lumo", "", "lumo"])) == [
        [4, 5, 6, 1, 4],
        [1],
        [4],
    ]
    assert source.decode([2, 4, 5, 6, 3, 0]) == "lumo sela nuri"


def test_missing_special_tokens_are_added(tmp_path: Path) -> None:
    source = built(bytes_file(tmp_path / "own.json")).source
    assert special_names(source.inner) == ["<pad>", "<unk>", "<bos>", "<|endoftext|>"]
    assert source.size == 256 + 4


@pytest.mark.parametrize("text", ["lumo sela", "Très naïf 中文 <pad> </s>", "ж"])
def test_byte_level_tokens_are_decoded_to_the_text(text: str, tmp_path: Path) -> None:
    source = built(bytes_file(tmp_path / "own.json")).source
    ids = source.encode([text])[0]
    assert ids.min() >= 4
    assert source.decode(ids.tolist()) == text


@pytest.mark.parametrize(
    ("write", "text"),
    [(words_file, "[SEP] [PAD] [CLS] lumo"), (unigram_file, "</s> <s> <pad> lumo")],
)
def test_text_with_names_of_special_tokens_does_not_get_their_ids(
    write: Any, text: str, tmp_path: Path
) -> None:
    assert not {0, 2, 3} & set(
        built(write(tmp_path / "own.json")).source.encode([text])[0].tolist()
    )


def test_unknown_token_of_the_model_becomes_ours(tmp_path: Path) -> None:
    source = built(words_file(tmp_path / "own.json", {"lumo": 0, "what": 1}, unknown="what")).source
    assert rows_of(source.encode(["lumo dosh"])) == [[4, 1]]


@pytest.mark.parametrize("write", [words_file, bytes_file, unigram_file])
@pytest.mark.parametrize("is_joint", [True, False])
def test_saved_encoder_does_not_need_the_file(write: Any, is_joint: bool, tmp_path: Path) -> None:
    own = tmp_path / "own"
    folder = tmp_path / "tokens"
    own.mkdir()
    folder.mkdir()
    encoder = built(write(own / "own.json"), PAIRS, joint=is_joint)
    encoder.save(folder)
    shutil.rmtree(own)
    loaded = Encoder.load(folder)
    texts = pa.chunked_array([["lumo nuri", "", "</s> ж"]])
    assert rows_of(loaded.encode_source(texts)) == rows_of(encoder.encode_source(texts))
    assert rows_of(loaded.encode_target(texts)) == rows_of(encoder.encode_target(texts))
    assert (loaded.kind, loaded.target_size) == ("own.json", encoder.target_size)
    assert (loaded.target is loaded.source) == is_joint
    assert loaded.decode(loaded.encode_source(texts)[0][:2].tolist()) == encoder.decode(
        encoder.encode_source(texts)[0][:2].tolist()
    )


def test_normalization_settings_run_before_those_of_the_file(tmp_path: Path) -> None:
    source = built(words_file(tmp_path / "own.json"), strip_accents=True, html="unescape").source
    assert rows_of(source.encode(["LÚMO<br>s&eacute;la"])) == [[4, 5]]


def test_tokens_of_the_file_match_their_spans(tmp_path: Path) -> None:
    text = " lumo  SELA"
    _, _, spans = built(words_file(tmp_path / "own.json")).encode_with_offsets([text])
    assert [text[start:stop] for start, stop in spans] == ["lumo", "SELA"]


def test_tags_work_with_a_file_of_whole_words(tmp_path: Path) -> None:
    encoder = built(words_file(tmp_path / "own.json"), TAGS)
    assert rows_of(encoder.encode_source(pa.chunked_array([[["lumo", "dosh", "SELA"], []]]))) == [
        [4, 1, 5],
        [1],
    ]
    assert encoder.cut("lumo  sela") == ["lumo", "sela"]


def test_tags_raise_with_a_file_of_subwords(tmp_path: Path) -> None:
    encoder = built(bytes_file(tmp_path / "own.json"), TAGS)
    with pytest.raises(
        RowError,
        match=r"one id for each token, but the tokenizer gives 8 for the 2 tokens \['lumo', "
        r"'sela'\]",
    ):
        encoder.encode_source(TAGS["tokens"])


@pytest.mark.parametrize("content", ["", "lumo", "{}", '{"model": {"type": "Other"}}', b"\xff\xfe"])
def test_file_that_is_no_tokenizer_raises(content: str | bytes, tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RowError, match=r"own\.json is not a tokenizer\.json"):
        built(str(path))


def test_a_missing_file_raises(tmp_path: Path) -> None:
    with pytest.raises(RowError, match="there is no tokenizer file"):
        built(str(tmp_path / "own.json"))


def test_a_file_leaves_texts_as_they_are_by_default() -> None:
    assert default_settings("some/own.json") == TokenSettings(unicode="none")


def test_renumbering_keeps_a_vocabulary_in_our_order() -> None:
    tokenizer = Tokenizer.train("words", [TABLE.column(0)], TokenSettings(min_frequency=1))
    numbers = Renumbering.of(tokenizer.inner)
    assert np.array_equal(numbers.theirs, np.arange(tokenizer.size))

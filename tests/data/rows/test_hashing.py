import hashlib
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.rows.hashing import hash_bytes

ALL_BITS = 2**64 - 1


def hashed(texts: list[bytes], key: str = "a key") -> NDArray[np.uint64]:
    flat = np.frombuffer(b"".join(texts), np.uint8)
    return hash_bytes(flat, np.cumsum([0, *map(len, texts)]), key)


def numbered(num: int, form: str = "lumo ta {:08d} mi") -> list[bytes]:
    return [form.format(i).encode() for i in range(num)]


def mixed(word: int) -> int:
    word ^= word >> 30
    word = word * 0xBF58476D1CE4E5B9 & ALL_BITS
    word ^= word >> 27
    word = word * 0x94D049BB133111EB & ALL_BITS
    return word ^ word >> 31


def hash_one(text: bytes, key: str) -> int:
    """The same in plain Python, as the module's docstring defines it."""
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
    padded = text + b"\x80"
    padded += bytes(-len(padded) % 8)
    total = 0
    for index in range(len(padded) // 8):
        word = int.from_bytes(padded[8 * index : 8 * index + 8], "little")
        total += mixed(word ^ mixed(seed + (index + 1) * 0x9E3779B97F4A7C15 & ALL_BITS))
    return mixed(total & ALL_BITS)


# Written down from the first run of ``hash_one``.
GOLD = {
    (b"", "a key"): 17987947419008136794,
    (b"lumo", "a key"): 5881011106197339301,
    (b"lumo ta mi nuri", "a key"): 16191172386338854824,
    (b"lumo ta mi nuri sela", "another"): 5354196288902614873,
}


@pytest.mark.parametrize(("text", "key"), GOLD)
def test_hash_of_bytes_equals_the_gold_value(text: bytes, key: str) -> None:
    assert hashed([text], key).tolist() == [GOLD[text, key]]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.binary(max_size=40), max_size=12),
    st.text(max_size=5),
    st.sampled_from([1, 16, 1 << 20]),
)
def test_hashes_in_a_batch_equal_single_hashes(texts: list[bytes], key: str, size: int) -> None:
    with patch("data.rows.hashing.BLOCK_BYTES", size):
        assert hashed(texts, key).tolist() == [hash_one(text, key) for text in texts]


def test_text_longer_than_a_block_is_hashed_completely() -> None:
    texts = [b"lumo", b"ta mi " * 100_000, b"", b"sela"]
    assert hashed(texts).tolist() == [hash_one(text, "a key") for text in texts]


def test_hashes_of_a_million_texts_are_distinct() -> None:
    texts = numbered(1_000_000)  # by chance, once in 37 million such sets
    assert len(np.unique(hashed(texts))) == len(texts)


def test_texts_of_null_bytes_and_padding_have_distinct_hashes() -> None:
    texts = [bytes(num) for num in range(40)] + [bytes(num) + b"\x80" for num in range(40)]
    assert len(np.unique(hashed(texts))) == len(texts)


def test_hash_depends_on_word_order() -> None:
    assert len(np.unique(hashed([b"lumotataselanuri", b"selanurilumotata"]))) == 2


@pytest.mark.parametrize("shift", range(0, 64, 8))
def test_each_byte_of_hashes_is_uniform(shift: int) -> None:
    num = 200_000
    found = np.bincount((hashed(numbered(num)) >> np.uint64(shift)) & np.uint64(255), minlength=256)
    chi_squared = ((found - num / 256) ** 2 / (num / 256)).sum()
    assert 150 < chi_squared < 390  # 255 degrees of freedom: beyond once in a million


@pytest.mark.parametrize("length", [3, 7, 8, 9, 30])
def test_each_bit_of_a_text_flips_half_of_the_hash_bits(length: int) -> None:
    random = np.random.default_rng(0)
    num = 2000
    texts = random.integers(0, 256, (num, length), dtype=np.uint8)
    before = hashed([row.tobytes() for row in texts])
    for bit in range(8 * length):
        changed = texts.copy()
        changed[:, bit // 8] ^= 1 << bit % 8
        turned = before ^ hashed([row.tobytes() for row in changed])
        share = np.unpackbits(turned.view(np.uint8).reshape(num, 8), axis=1).mean(0)
        assert np.abs(share - 0.5).max() < 0.06  # of a coin, beyond once in ten million


def test_hashes_with_different_keys_are_independent() -> None:
    texts = numbered(20_000)
    turned = hashed(texts, "one") ^ hashed(texts, "two")
    share = np.unpackbits(turned.view(np.uint8).reshape(-1, 8), axis=1).mean(0)
    assert np.abs(share - 0.5).max() < 0.02

"""Texts that share many word sequences."""

import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.standin import corpus
from titer.literature.similarity import SHINGLE_WORDS, SIMILARITY, normal_words, similar


def jaccard(one: str, other: str) -> float:
    """By definition, with the words themselves."""
    sets = []
    for text in (one, other):
        words = normal_words(text)
        spans = range(len(words) - SHINGLE_WORDS + 1)
        sets.append({tuple(words[at : at + SHINGLE_WORDS]) for at in spans})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


@settings(deadline=None)  # the first call imports datasketch
@given(st.integers(0, 100), st.integers(1, 30))
def test_a_pair_is_similar_where_its_jaccard_says_so(seed: int, n_changed: int) -> None:
    rng = random.Random(seed)
    one = corpus.text(rng, 10)
    words = one.split()
    for at in rng.sample(range(len(words)), n_changed):
        words[at] = "altered"
    exact = jaccard(one, " ".join(words))
    found = bool(list(similar([one, " ".join(words)])))
    assert found <= (exact >= SIMILARITY)
    assert found >= (exact >= 0.65), "MinHash may miss what is near the threshold only"


def test_equal_texts_have_the_first_as_their_leader() -> None:
    text, other = corpus.text(random.Random(1), 5), corpus.text(random.Random(2), 5)
    assert list(similar([text, other, text, other, text.upper()])) == [(0, 2), (1, 3), (0, 4)]


def test_a_thousand_texts_take_little_memory() -> None:
    texts = [corpus.text(random.Random(n), 12) for n in range(1_000)]
    list(similar(texts[:10]))
    tracemalloc.start()
    assert list(similar(texts)) == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000 * 8_000, "8 kB for a text of 190 words"


@pytest.mark.parametrize("n_words", [0, 4, 19])
def test_short_texts_have_no_leader(n_words: int) -> None:
    assert list(similar(["word " * n_words] * 2)) == []


def test_words_are_compared_without_accents_scripts_and_punctuation() -> None:
    assert normal_words("Sjögren's β-cell, (T_H 17)") == [
        "sjogren",
        "s",
        "β",
        "cell",
        "th",
        "17",
    ]

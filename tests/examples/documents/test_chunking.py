"""Chunks hold whole sentences, keep their size, overlap as asked and lose nothing silently."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.examples.papers import make_document_settings
from titer.config import LengthUnit
from titer.errors import ConfigError
from titer.examples.documents.chunking import MEASURES, _sentences, cut, n_tokens, sections
from titer.examples.documents.extracted import Block, Extracted, assemble
from titer.examples.sentences import sentences

SENTENCES = st.lists(
    st.integers(1, 40).map(lambda n: "W" + "ord " * n + "end."), min_size=1, max_size=30
)
SIZES = st.tuples(st.sampled_from(LengthUnit), st.integers(50, 300), st.integers(0, 25))


def document(blocks: list[tuple[str, int]]) -> Extracted:
    parts = (Block(text, level) for text, level in blocks)
    return assemble(parts, extractor="x", version="1")


@given(st.lists(SENTENCES, min_size=1, max_size=4), SIZES)
def test_chunks_keep_their_size_and_hold_every_sentence_that_fits(
    parts: list[list[str]], sizes: tuple[LengthUnit, int, int]
) -> None:
    unit, size, overlap = sizes
    found = document([b for part in parts for b in (("Heading", 1), (" ".join(part), 0))])
    settings = make_document_settings(unit=unit, chunk_size=size, overlap=overlap)
    chunks, n_long = cut(found.text, sections(found), settings)
    texts = [found.text[chunk.start : chunk.end] for chunk in chunks]
    measure = MEASURES[unit]
    assert all(measure(text) <= size and text.endswith("end.") for text in texts)
    assert all(text.startswith("Word") for text in texts)
    given_sentences = [sentence for part in parts for sentence in part]
    assert n_long == sum(measure(sentence) > size for sentence in given_sentences)
    for one, other in itertools.pairwise(chunks):
        assert one.start < other.start and one.end < other.end
        assert measure(found.text[other.start : one.end]) <= overlap or other.start >= one.end
    covered = sum(text.count("end.") for text in texts)
    assert covered >= len(given_sentences) - n_long
    if overlap == 0:
        assert covered == len(given_sentences) - n_long


def test_a_section_that_fits_joins_the_chunk_and_another_begins_a_new_one() -> None:
    found = document(
        [("One", 1), ("A a a a a a a.", 0), ("Two", 1), ("B b.", 0), ("Three", 1),
         ("C c c c c c c c c c c c c c c c c c c c.", 0)]
    )  # fmt: skip
    settings = make_document_settings(chunk_size=50, overlap=0)
    chunks, _ = cut(found.text, sections(found), settings)
    texts = [found.text[chunk.start : chunk.end] for chunk in chunks]
    assert texts == ["A a a a a a a.\n\nTwo\n\nB b.", "C c c c c c c c c c c c c c c c c c c c."]


def test_the_last_sentences_are_repeated_within_a_section() -> None:
    found = document([("Aaaa aaaa aaaa aaaa. Bbbb bbbb bbbb bbbb. Cccc cccc cccc cccc.", 0)])
    settings = make_document_settings(chunk_size=50, overlap=20)
    chunks, _ = cut(found.text, sections(found), settings)
    texts = [found.text[chunk.start : chunk.end] for chunk in chunks]
    first, second, third = "Aaaa aaaa aaaa aaaa.", "Bbbb bbbb bbbb bbbb.", "Cccc cccc cccc cccc."
    assert texts == [f"{first} {second}", f"{second} {third}"]


def test_a_list_item_without_a_full_stop_stands_alone() -> None:
    found = document([("x" * 45, 0), ("A sentence that fits.", 0)])
    chunks, n_long = cut(
        found.text, sections(found), make_document_settings(chunk_size=50, overlap=0)
    )
    assert [chunk.end - chunk.start for chunk in chunks] == [45, 21]
    assert n_long == 0


def test_tokens_are_words_and_marks() -> None:
    assert n_tokens("TNF-alpha (5 mg), twice.") == 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chunk_size": 10}, "examples.documents.chunk_size = 10: must be at least 50"),
        ({"overlap": 600}, "examples.documents.overlap = 600: must be from 0 to half of chunk"),
        ({"max_file_mb": 0}, "examples.documents.max_file_mb = 0: must be above 0"),
        ({"max_pages": 0}, "examples.documents.max_pages = 0: must be at least 1"),
        ({"timeout_s": 0}, "examples.documents.timeout_s = 0: must be above 0"),
    ],
)
def test_a_setting_outside_its_range_is_refused(changes: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        make_document_settings(**changes)
    assert str(error.value).startswith(message)


@example([["W" + "ord " * 36 + "end.", "Word end."]], 150)  # ends one short of the window
@given(st.lists(SENTENCES, min_size=1, max_size=3), st.integers(50, 400))
def test_sentences_are_the_same_however_they_are_searched(
    parts: list[list[str]], window: int
) -> None:
    text = " ".join(sentence for part in parts for sentence in part)
    found = document([(text, 0)])
    expected = list(sentences(text))
    searched = list(_sentences(found.text, sections(found)[0], window))
    if all(end - start < window for start, end in expected):
        assert searched == expected
    assert {place for place in searched if place[1] - place[0] < window} <= set(expected)

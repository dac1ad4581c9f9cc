"""Texts that a reader would call the same have the same words."""

import pytest

from tests.examples.papers import make_example
from titer.examples.normalise import example_ids, normal_id, words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("TNF-\u03b1", "TNF-alpha"),
        ("IFN\u03b3 and TGF\u03b2", "IFN-gamma and TGF-beta"),
        ("5 \u00b5g", "5 \u03bcg"),
        ("&alpha;-synuclein", "alpha synuclein"),
        ("Sj\u00f6gren\u2019s", "Sjogren's"),
        ("patients\u02bc", "patients"),
        ("anti\u2011dsDNA", "anti-dsDNA"),
        ("anti-<br/>dsDNA", "anti-dsDNA"),
        ("H<sub>2</sub>O", "H2O"),
        ("<span class='x'>lamp</span>", "lamp"),
        ("&lt;b&gt;lamp&lt;/b&gt;", "lamp"),
        ("&amp;nbsp;lamp&amp;nbsp;", "lamp"),
        ("[lamp](https://x.org \"a lamp\") oil", "lamp oil"),
        ("[lamp][1] oil", "lamp oil"),
        ("**la**mp `oil`", "lamp oil"),
        ("lamp\\noil", "lamp oil"),
        ("la\u200bmp\ufeff", "lamp"),
        ("la\u00admp", "lamp"),
        ("la\u00ad\nmp", "lamp"),
        ("l\u034fa\ufe0fmp", "lamp"),
        ("\uff2c\uff21\uff2d\uff30", "lamp"),
        ("\U0001d425\U0001d41a\U0001d426\U0001d429", "lamp"),
        ("\ufb01nding", "finding"),
        ("STRASSE", "stra\u00dfe"),
        ("10\u207b\u00b3", "10 -3"),
    ],
)  # fmt: skip
def test_two_ways_of_writing_are_the_same_words(one: str, other: str) -> None:
    assert words(one) == words(other) != []


def test_signs_of_comparison_are_no_tags() -> None:
    assert words("p<0.05 and b < c in n>3") == ["p", "0", "05", "and", "b", "c", "in", "n", "3"]


def test_words_in_greek_letters_stay_words() -> None:
    assert words("\u03c6\u03ce\u03c2 \u03ba\u03b1\u03b9") == [
        "\u03c6\u03c9\u03c3",
        "\u03ba\u03b1\u03b9",
    ]


def test_letters_of_another_alphabet_are_not_unified() -> None:
    assert words("l\u0430mp") != words("lamp")


@pytest.mark.parametrize(
    ("given", "spelled"),
    [
        ("https://pubmed.ncbi.nlm.nih.gov/123/", "pmid:123"),
        ("https://www.ncbi.nlm.nih.gov/pubmed/123", "pmid:123"),
        ("PMID: 123", "pmid:123"),
        ("https://dx.doi.org/10.1000/A", "doi:10.1000/a"),
        ("http://arxiv.org/abs/2401.00001v3", "arxiv:2401.00001"),
        ("https://arxiv.org/pdf/2401.00001v2.pdf", "arxiv:2401.00001"),
        ("arXiv:2401.00001v2 [q-bio.TO]", "arxiv:2401.00001"),
        ("https://pubmed.ncbi.nlm.nih.gov/123/?term=lupus#abstract", "pmid:123"),
        ("PMID 123", "pmid:123"),
        ("123.0", "pmid:123"),
        (
            "10.1002/(SICI)1096(1999)62:4<265::AID>3.0.CO;2-#",
            "doi:10.1002/(sici)1096(1999)62:4<265::aid>3.0.co;2-#",
        ),
    ],
)
def test_an_id_has_one_spelling(given: str, spelled: str) -> None:
    assert normal_id(given) == spelled


@pytest.mark.parametrize(
    ("paper_id", "source", "ids"),
    [
        ("pmid:1", "pubmed", {"pmid:1"}),
        ("own:rows.jsonl", "own", set()),
        ("own:rows.jsonl#pmid:1", "own", {"pmid:1"}),
    ],
)
def test_an_own_row_has_the_id_that_it_gave(paper_id: str, source: str, ids: set[str]) -> None:
    assert example_ids(make_example("Why?", "So.", paper_id=paper_id, source=source)) == ids


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("HbA_1c", ["hba1c"]),
        ("HbA<sub>1c</sub>", ["hba1c"]),
        ("CO$_2$ and CO$_{2}$", ["co2", "and", "co2"]),
        ("10^(9 cells)/L", ["109", "cells", "l"]),
        ("_very_ long", ["very", "long"]),
    ],
)
def test_scripts_are_part_of_their_word(written: str, read: list[str]) -> None:
    assert words(written) == read

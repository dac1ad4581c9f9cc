"""arXiv Atom feeds to papers."""

import re

import pytest

from tests.standin import corpus
from tests.standin.faults import ERROR_FEED
from titer.errors import FormatError
from titer.files import sha256_text
from titer.literature.merge import Parsed
from titer.literature.parse import parse_atom


def parse(*entries: str) -> Parsed:
    body = corpus.feed(list(entries), total=len(entries), start=0, size=10)
    return parse_atom(body)


def test_identity_and_version_are_read() -> None:
    entry = corpus.entry(7, version=3)
    (paper,) = parse(entry).papers
    assert (paper.paper_id, paper.arxiv_id, paper.arxiv_version) == (
        "arxiv:2401.00007", "2401.00007", 3,
    )  # fmt: skip
    assert (paper.pub_date, paper.date_revised) == ("2024-01-08", "2024-01-08")
    assert (paper.categories, paper.is_preprint) == (["q-bio.QM", "stat.AP"], True)
    assert (paper.synthetic, paper.license) == (True, None)
    assert paper.raw_sha256 == sha256_text(entry)


@pytest.mark.parametrize("said", ["yesterday", "24-1-8", ""])
def test_a_day_that_is_no_iso_date_is_not_known(said: str) -> None:
    entry = re.sub(r"<published>.*?<", f"<published>{said}<", corpus.entry(7))
    assert parse(entry).papers[0].pub_date is None


def test_a_version_of_thousands_of_digits_is_none() -> None:
    entry = corpus.entry(7).replace("2401.00007v1", f"2401.00007v{'1' * 5000}")
    assert parse(entry).papers[0].arxiv_version == 1


def test_an_old_identifier_keeps_its_archive() -> None:
    entry = corpus.entry(1).replace("2401.00001v1", "q-bio/0401001v2")
    assert parse(entry).papers[0].paper_id == "arxiv:q-bio/0401001"


def test_the_published_doi_is_lower_case() -> None:
    entry = corpus.entry(1).replace("</entry>", "<arxiv:doi>10.1/ABC</arxiv:doi></entry>")
    assert parse(entry).papers[0].doi == "10.1/abc"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Synthetic sample record", "This paper has been withdrawn by the author"),
        ("<summary>", "<summary>This paper has been withdrawn. "),
    ],
)
def test_a_withdrawn_paper_is_marked(old: str, new: str) -> None:
    assert parse(corpus.entry(1).replace(old, new)).papers[0].withdrawn


def test_of_two_versions_in_one_feed_the_higher_one_is_kept() -> None:
    for versions in ((9, 10), (10, 9)):
        parsed = parse(*(corpus.entry(1, version=version) for version in versions))
        assert [found.arxiv_version for found in parsed.papers] == [10]
        assert [row["paper_id"] for row in parsed.skipped] == ["arxiv:2401.00001"]


def test_an_entry_has_the_same_hash_on_every_page() -> None:
    alone, among = parse(corpus.entry(2)), parse(corpus.entry(1), corpus.entry(2))
    assert alone.papers[0] == among.papers[1]


def test_an_entry_without_id_is_skipped_with_its_title() -> None:
    entry = corpus.entry(1).replace("<id>", "<no>").replace("</id>", "</no>")
    entry = re.sub(r"<title>.*?</title>", "<title>A title</title>", entry)
    parsed = parse(entry, corpus.entry(2))
    assert [row["reason"] for row in parsed.skipped] == [
        "an entry without an arXiv id, titled 'A title'"
    ]
    assert len(parsed.papers) == 1


def test_an_illegal_byte_marks_only_its_entry() -> None:
    parsed = parse(corpus.entry(1).replace("<summary>", "<summary>\x01"), corpus.entry(2))
    assert [found.sanitised for found in parsed.papers] == [True, False]


def test_a_pubmed_answer_is_no_feed() -> None:
    with pytest.raises(FormatError, match="3: root element <PubmedArticleSet>, expected <feed>"):
        parse_atom(corpus.article_set([corpus.record(0)]))


def test_a_paper_without_summary_counts_as_withdrawn() -> None:
    entry = corpus.entry(1)
    start, end = entry.index("<summary>") + 9, entry.index("</summary>")
    (paper,) = parse(entry[:start] + entry[end:]).papers
    assert (paper.withdrawn, paper.sections) == (True, [])


def test_an_abstract_on_withdrawal_of_a_drug_is_not_withdrawn() -> None:
    entry = corpus.entry(1).replace("<summary>", "<summary>Steroids were withdrawn slowly. ")
    assert not parse(entry).papers[0].withdrawn


def test_an_error_entry_is_skipped_with_its_title() -> None:
    (row,) = parse_atom(ERROR_FEED).skipped
    assert row["reason"] == "an entry without an arXiv id, titled 'Error'"

"""PubMed XML to papers."""

from dataclasses import replace

import pytest

from tests.standin import corpus
from titer.errors import FormatError
from titer.files import sha256_text
from titer.literature.fields import partial_date
from titer.literature.markup import without_forbidden
from titer.literature.merge import OLDER, Parsed
from titer.literature.parse import parse_pubmed
from titer.records import Paper


def parse(*records: str, deleted: tuple[str, ...] = ()) -> Parsed:
    return parse_pubmed(corpus.article_set(list(records), deleted=deleted))


def paper(kind: str, i: int = 0) -> Paper:
    return parse(corpus.record(i, kind)).papers[0]


def with_text(text: str) -> Paper:
    record = corpus.record(0, "unstructured")
    start = record.index("<AbstractText>")
    end = record.index("</AbstractText>")
    return parse(f"{record[:start]}<AbstractText>{text}{record[end:]}").papers[0]


def test_identity_and_origin_are_read() -> None:
    found = paper("structured", 3)
    assert (found.paper_id, found.source, found.pmid) == ("pmid:30000004", "pubmed", "30000004")
    assert (found.doi, found.pmcid) == ("10.5555/standin.3", "PMC7000003")
    assert (found.authors, found.status) == (["Stand In Author3"], "MEDLINE")
    assert (found.journal, found.language) == ("Journal of Stand-in Records", ["eng"])
    assert (found.date_revised, found.license) == ("2016-01-05", None)


def test_sections_keep_label_and_category() -> None:
    sections = paper("structured").sections
    assert [section["label"] for section in sections] == list(corpus.LABELS)
    assert sections[-1]["category"] == "CONCLUSIONS"


def test_an_unstructured_abstract_is_one_section_without_label() -> None:
    (section,) = paper("unstructured").sections
    assert (section["label"], section["category"]) == ("", "")


def test_a_heading_is_major_through_its_qualifier() -> None:
    assert paper("structured").mesh == [{"ui": "D000001", "name": "Words", "major": True}]


def test_a_translated_abstract_is_not_taken_for_the_abstract() -> None:
    assert "Otro" not in paper("other_abstract").abstract


def test_an_invalid_doi_is_not_taken() -> None:
    assert paper("two_dois", 5).doi == "10.5555/standin.5"


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("10<sup>-3</sup> M", "10^-3 M"),
        ("CD4<sup>+</sup> T cells", "CD4^+ T cells"),
        ("H<sub>2</sub>O", "H_2O"),
        ("a<sup>b c</sup>", "a^(b c)"),
        ("x<sup><i>n</i></sup>", "x^n"),
        ("<b>Bold</b> and <i>P</i> &lt; 0.05", "Bold and P < 0.05"),
        ("two\n   lines\u00a0here", "two lines here"),
        ("before <!-- comment -->after", "before after"),
        ("empty<sup> </sup> script", "empty script"),
    ],
)
def test_markup_becomes_text(markup: str, text: str) -> None:
    assert with_text(markup).abstract == text


def test_mathml_loses_its_layout_and_keeps_its_scripts() -> None:
    assert with_text(f"It was {corpus.MATHML} here.").abstract == "It was x^2=a/b here."


def test_a_fraction_of_sums_keeps_its_grouping() -> None:
    math = (
        '<mml:math xmlns:mml="http://www.w3.org/1998/Math/MathML"><mml:mfrac><mml:mrow>'
        "<mml:mi>a</mml:mi><mml:mo>+</mml:mo><mml:mi>b</mml:mi></mml:mrow><mml:mn>2</mml:mn>"
        "</mml:mfrac></mml:math>"
    )
    assert with_text(math).abstract == "(a+b)/2"


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("<Year>2019</Year><Month>Mar</Month><Day>4</Day>", "2019-03-04"),
        (f"<Year>2019</Year><Month>Mar</Month><Day>{'9' * 20}</Day>", "2019-03"),
        ("<Year>2019</Year><Month>03</Month>", "2019-03"),
        ("<Year>2019</Year>", "2019"),
        ("<Year>2019</Year><Season>Spring</Season>", "2019"),
        ("<MedlineDate>1998 Dec-1999 Jan</MedlineDate>", "1998-12"),
        ("<MedlineDate>2015 Jan-Feb</MedlineDate>", "2015-01"),
        ("<MedlineDate>1976-1977</MedlineDate>", "1976"),
        ("<MedlineDate>2000 Spring</MedlineDate>", "2000"),
        ("<MedlineDate>Fall 2001</MedlineDate>", "2001"),
        ("<MedlineDate>not given</MedlineDate>", None),
        ("<Year>2020</Year><Month>\u00b2</Month>", "2020"),
        (f"<Year>2020</Year><Month>{'1' * 5000}</Month>", "2020"),
    ],
)
def test_dates_are_as_precise_as_the_record(date: str, expected: str | None) -> None:
    from lxml import etree

    assert partial_date(etree.fromstring(f"<PubDate>{date}</PubDate>")) == expected


def test_a_retracted_paper_names_its_notice() -> None:
    found = paper("retracted", 6)
    assert found.retracted
    assert found.retraction == {"sources": ["pubmed"], "notice_id": "pmid:30000008", "date": None}


@pytest.mark.parametrize(
    ("source", "date"),
    [
        ("Lancet. 2010 Feb 6;375(9713):445", "2010-02-06"),
        ("J Test. 2024 Mar;1(2):3", "2024-03"),
        ("J Test. 2024;1:1", "2024"),
        ("J Test. 2015 Jan-Feb;2(1):7", None),
        ("J Test. 2024 Feb 31;1:1", "2024-02"),
        ("Review of the year. 2024 was odd", None),
        ("J Test", None),
    ],
)
def test_the_date_of_a_retraction_is_the_notices_where_it_is_sure(
    source: str, date: str | None
) -> None:
    record = corpus.record(6, "retracted").replace(
        ">J Stand In</RefSource", f">{source}</RefSource"
    )
    assert (parse(record).papers[0].retraction or {})["date"] == date


def test_a_paper_retracted_and_republished_is_retracted() -> None:
    record = corpus.record(0, "preprint").replace('"UpdateIn"', '"RetractedandRepublishedIn"')
    found = parse(record).papers[0]
    assert (found.retracted, (found.retraction or {})["notice_id"]) == (True, "pmid:30000002")


def test_a_retraction_notice_is_no_retracted_paper() -> None:
    found = paper("notice")
    assert (found.is_retraction_notice, found.retracted) == (True, False)


@pytest.mark.parametrize(
    ("kind", "title", "standing"),
    [
        ("structured", "RETRACTED: A trial of words", (True, False)),
        ("structured", "Retracted Article: A trial", (True, False)),
        ("structured", "WITHDRAWN: A trial of words", (False, True)),
        ("structured", "Withdrawn patients in trials", (False, False)),
        ("structured", "Retracted papers in reviews", (False, False)),
        ("notice", "Retracted: A trial of words", (False, False)),
    ],
)
def test_a_title_may_say_that_the_paper_was_taken_back(
    kind: str, title: str, standing: tuple[bool, bool]
) -> None:
    record = corpus.record(0, kind).replace("<ArticleTitle>", f"<ArticleTitle>{title} ")
    found = parse(record).papers[0]
    assert (found.retracted, found.withdrawn) == standing


def test_an_expression_of_concern_is_kept() -> None:
    assert paper("concern").concern


def test_a_preprint_names_its_published_version() -> None:
    found = paper("preprint", 9)
    assert (found.is_preprint, found.version_of) == (True, "pmid:30000011")


def test_a_published_version_keeps_the_link_to_its_preprint() -> None:
    found = paper("published", 10)
    assert found.version_of is None
    assert found.corrections == [{"type": "UpdateOf", "pmid": "30000010", "source": "J Stand In"}]


def test_a_book_chapter_with_an_abstract_is_a_paper() -> None:
    found = paper("book", 13)
    assert (found.journal, found.pub_date, bool(found.abstract)) == ("Words", "2018", True)


def test_a_book_without_chapter_is_skipped_with_its_reason() -> None:
    reason = "a book record without ArticleTitle and Abstract"
    expected = [{"paper_id": "pmid:30000015", "reason": reason}]
    assert parse(corpus.record(14, "bare_book")).skipped == expected


def test_deleted_citations_are_listed() -> None:
    parsed = parse(corpus.record(0), deleted=("17",))
    assert parsed.skipped == [{"paper_id": "pmid:17", "reason": "deleted by PubMed"}]


def test_of_two_versions_in_one_answer_the_higher_one_is_kept() -> None:
    first = corpus.record(0)
    second = first.replace('<PMID Version="1">', '<PMID Version="2">', 1).replace("MEDLINE", "New")
    for records in ((first, second), (second, first)):
        parsed = parse(*records)
        assert [found.status for found in parsed.papers] == ["New"]
        assert [row["reason"] for row in parsed.skipped] == [OLDER]


def test_a_repeated_record_is_one_paper() -> None:
    parsed = parse(corpus.record(0), corpus.record(1), corpus.record(0))
    assert [found.pmid for found in parsed.papers] == ["30000001", "30000002"]
    assert parsed.skipped == []


def test_a_record_has_the_same_hash_in_every_batch() -> None:
    alone, among = parse(corpus.record(2)), parse(*(corpus.record(i) for i in range(4)))
    assert alone.papers[0] == among.papers[2]
    assert alone.papers[0].raw_sha256 == sha256_text(corpus.record(2))


@pytest.mark.parametrize("lost", ["PMID", "Article"])
def test_a_record_without_identity_is_skipped(lost: str) -> None:
    record = corpus.record(0).replace(f"<{lost} ", "<Lost ").replace(f"</{lost}>", "</Lost>")
    assert [row["reason"] for row in parse(record).skipped] == ["a record without PMID or Article"]


@pytest.mark.parametrize(
    "body",
    [
        corpus.article_set([corpus.record(0)]).replace(b"pubmed_250101", b"pubmed_290101"),
        corpus.article_set([corpus.record(0)]).split(b"\n", 2)[2],
        b"\xef\xbb\xbf" + corpus.article_set([corpus.record(0)]),
        corpus.article_set([corpus.record(0)]).decode().encode("utf-16"),
    ],
    ids=["new DTD", "no prolog", "byte order mark", "UTF-16"],
)
def test_the_form_of_the_document_does_not_change_the_record(body: bytes) -> None:
    assert parse_pubmed(body).papers == [paper("structured")]


@pytest.mark.parametrize("where", ["MedlineCitation", "Article", "Abstract", "PubmedArticle"])
def test_an_unknown_tag_changes_no_field_but_the_hash(where: str) -> None:
    new = f"<FutureTag Kind='x'><AbstractText>odd</AbstractText></FutureTag></{where}>"
    found = parse(corpus.record(0).replace(f"</{where}>", new)).papers[0]
    assert replace(found, raw_sha256="") == replace(paper("structured"), raw_sha256="")


def test_named_entities_become_their_characters() -> None:
    assert with_text("5&nbsp;&micro;g &beta;-cell").abstract == "5 µg β-cell"


@pytest.mark.parametrize("bad", [b"M\xfcller", b"\xff", b"&#xD800;", b"\x0b", b"\xef\xbf\xbf"])
def test_bytes_that_are_no_text_are_taken_out_and_mark_their_record(bad: bytes) -> None:
    body = corpus.article_set([corpus.record(0), corpus.record(1)])
    parsed = parse_pubmed(body.replace(b"<ArticleTitle>", b"<ArticleTitle>" + bad, 1))
    assert [found.sanitised for found in parsed.papers] == [True, False]
    assert len(parsed.papers[0].title) - len(paper("structured").title) in (0, 5)


def test_a_forbidden_character_in_an_identifier_is_taken_out_as_well() -> None:
    record = corpus.record(0).replace("10.5555/", "10.5555/\x02").replace("eng<", "e&#1;ng<")
    found = parse(record).papers[0]
    assert (found.doi, found.language) == ("10.5555/standin.0", ["eng"])
    assert (found.sanitised, found.raw_sha256) == (True, sha256_text(record))


def test_what_the_client_repaired_is_marked_as_well() -> None:
    """A body that came with forbidden characters at every try is cached with marks for them."""
    body = corpus.article_set([corpus.record(0), corpus.record(1)]).replace(b"eng<", b"en\x01g<", 1)
    parsed = parse_pubmed(without_forbidden(body))
    assert [found.sanitised for found in parsed.papers] == [True, False]
    assert parsed.papers[0].language == ["eng"]


def test_an_answer_of_fifty_megabytes_is_read() -> None:
    found = with_text("word " * 10_000_000)
    assert len(found.abstract) == 50_000_000 - 1


def test_a_malformed_record_is_refused_with_its_line() -> None:
    records = [corpus.record(i) for i in range(5)]
    records[3] = records[3].replace("</Abstract>", "\n\n</Abstrakt>")
    with pytest.raises(FormatError, match=r"^9: not well-formed XML: .*Abstract"):
        parse(*records)


def test_the_mark_of_synthetic_records_is_no_keyword() -> None:
    found = paper("structured")
    assert (found.synthetic, found.keywords) == (True, ["random text"])


@pytest.mark.parametrize(
    "token",
    [
        "<|im_start|>",
        "<think>",
        "</think>",
        "<\uff5cUser\uff5c>",
        "<thi<think>nk>",
        "[/INST]",
        "<s>",
        "</s>",
        "<<SYS>>",
        "<</SYS>>",
        "<unk>",
        "<end_of_turn>",
        "</<s>s>",
    ],
)
def test_chat_control_tokens_are_taken_out_and_marked(token: str) -> None:
    found = with_text(f"one {token.replace('<', '&lt;')} two")
    assert (found.abstract, found.sanitised) == ("one two", True)


@pytest.mark.parametrize("version", ["\u00b2", "9" * 5000, ""])
def test_an_odd_version_is_the_first(version: str) -> None:
    record = corpus.record(0).replace('<PMID Version="1">', f'<PMID Version="{version}">')
    assert version in record
    assert parse(record).papers[0].paper_id == "pmid:30000001"


@pytest.mark.parametrize("pmid", ["abc", "\u00b2", "12 3", ""])
def test_a_pmid_that_is_no_number_makes_no_paper(pmid: str) -> None:
    record = corpus.record(0).replace(">30000001</PMID>", f">{pmid}</PMID>")
    assert parse(record).skipped == [
        {"paper_id": "pmid:", "reason": "a record without PMID or Article"}
    ]


def test_only_the_record_with_a_forbidden_character_is_marked() -> None:
    body = corpus.article_set([corpus.record(0), corpus.record(1)])
    parsed = parse_pubmed(body.replace(b"<ArticleTitle>", b"<ArticleTitle>\x01", 1))
    assert [found.sanitised for found in parsed.papers] == [True, False]
    assert parsed.papers[0].title == paper("structured").title


def test_entities_and_external_files_are_not_loaded() -> None:
    body = corpus.article_set([corpus.record(0)]).decode()
    start = body.index("<!DOCTYPE")
    doctype = '<!DOCTYPE PubmedArticleSet [<!ENTITY f SYSTEM "file:///etc/hostname">]>'
    body = body[:start] + doctype + body[body.index("<PubmedArticleSet>") :]
    body = body.replace("<ArticleTitle>", "<ArticleTitle>&f;", 1)
    assert parse_pubmed(body.encode()).papers[0].title.startswith("&f;")


def test_another_document_is_refused() -> None:
    with pytest.raises(FormatError, match="root element <html>, expected <PubmedArticleSet>"):
        parse_pubmed(b"<html></html>")


def test_a_cut_document_is_refused_with_its_line() -> None:
    body = corpus.article_set([corpus.record(i) for i in range(3)])
    with pytest.raises(FormatError, match=r"^6: cut off inside <PubmedArticle>, which begins here"):
        parse_pubmed(body[:-200])

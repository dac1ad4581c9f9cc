"""Full text is what stands in sentences."""

from typing import Any

import pytest
from lxml import etree

from tests.standin import jats
from titer.literature.jats import Article, read_article
from titer.literature.markup import safe_parser

LICENCE_TEXT = "<license><license-p>Under <ext-link {link}>CC</ext-link>.</license-p></license>"


def read(text: str) -> Article:
    return read_article(etree.fromstring(text.encode(), safe_parser()), source="here")


def body(inner: str) -> list[dict[str, str]]:
    return read(jats.article("PMC1", body=inner)).body


def licence(permissions: str) -> Any:
    return read(jats.article("PMC1", permissions=permissions)).licence


def test_sections_are_read_whole_and_clean() -> None:
    assert read(jats.article("PMC1")).body == [
        {
            "label": "Introduction", "category": "BACKGROUND",
            "text": "Lamps are old. Keepers cough.",
        },
        {
            "label": "Materials and methods", "category": "METHODS",
            "text": "We counted lamps. The oil held 10^−3 g of salt and Cl^-.",
        },
        {
            "label": "Results", "category": "",
            "text": "See Fig. 1 for the count: ten twelve",
        },
    ]  # fmt: skip


def test_text_before_the_first_section_has_no_label() -> None:
    rows = body("<p>At first.</p><sec><title>Then</title><p>More.</p></sec>")
    assert [(row["label"], row["text"]) for row in rows] == [("", "At first."), ("Then", "More.")]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("1. Results", "Results"), ("2.1 Results", "Results"), ("IV. Results", "Results"),
        ("In vivo results", "In vivo results"), ("IV infusion", "IV infusion"),
        ("COVID-19 and lamps", "COVID-19 and lamps"),
    ],
)  # fmt: skip
def test_a_title_loses_its_number(title: str, expected: str) -> None:
    assert body(f"<sec><title>{title}</title><p>Words.</p></sec>")[0]["label"] == expected


@pytest.mark.parametrize(
    "title",
    [
        "Acknowledgements", "Funding", "Conflict of interest", "Author contributions",
        "Authors’ contributions", "Data availability statement", "Supplementary material",
        "Abbreviations", "Pre-publication history", "Ethics statement",
        "Declaration of competing interests", "8. Funding",
    ],
)  # fmt: skip
def test_statements_about_the_article_are_left_out(title: str) -> None:
    assert body(f"<sec><title>{title}</title><p>Words.</p></sec>") == []


@pytest.mark.parametrize("title", ["Supplementation with oil", "Fundamentals", "Interest in lamps"])
def test_titles_that_only_begin_alike_stay(title: str) -> None:
    assert len(body(f"<sec><title>{title}</title><p>Words.</p></sec>")) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lipids {0}, {0}, {0}. Then", "lipids. Then"),
        ("lipids {0}, {0} are", "lipids are"),
        ("lipids {0}, and water", "lipids, and water"),
        ("lipids ({0}; {0}) are", "lipids are"),
        ("units [{0}, pp. 57-59]. In", "units. In"),
        ("units [[{0}], pp. 57-59.]. In", "units. In"),
        ("lipids [{0}&#8211;{0}, {0}]; water", "lipids; water"),
        ("the (&#8722;)-form (n = 3, all)", "the (−)-form (n = 3, all)"),
    ],
)
def test_citations_leave_no_marks(text: str, expected: str) -> None:
    xref = '<xref ref-type="bibr" rid="b">[1]</xref>'
    assert body(f"<p>{text.format(xref)}</p>")[0]["text"] == expected


def test_inline_mathematics_stays_readable() -> None:
    math = '<mml:math xmlns:mml="http://www.w3.org/1998/Math/MathML"><mml:mi>x</mml:mi></mml:math>'
    rows = body(f"<p>Here <inline-formula>{math}</inline-formula> counts.</p>")
    assert rows[0]["text"] == "Here x counts."


def test_a_chat_token_is_taken_out_and_marked() -> None:
    article = read(jats.article("PMC1", body="<p>End &lt;|im_end|&gt; here.</p>"))
    assert (article.body[0]["text"], article.sanitised) == ("End here.", True)


def test_an_article_with_metadata_only_has_no_body() -> None:
    assert read(jats.article("PMC1", body="")).body == []


@pytest.mark.parametrize("kind", ["pmc", "pmcid"])
def test_the_id_has_its_prefix_in_either_spelling(kind: str) -> None:
    assert read(jats.article("PMC12", id_type=kind)).pmcid == "PMC12"


@pytest.mark.parametrize(
    ("permissions", "expected"),
    [
        (f'<license {jats.XLINK} xlink:href="{jats.CC_BY}"/>', "cc-by"),
        (
            '<license><ali:license_ref xmlns:ali="http://www.niso.org/schemas/ali/1.0/">'
            "https://creativecommons.org/licenses/by-nc/4.0/</ali:license_ref></license>",
            "cc-by-nc",
        ),
        (
            '<ali:license_ref xmlns:ali="http://www.niso.org/schemas/ali/1.0/">'
            "https://creativecommons.org/licenses/by/4.0/</ali:license_ref>",
            "cc-by",
        ),
        (LICENCE_TEXT.format(link=f'{jats.XLINK} xlink:href="{jats.CC_BY}"'), "cc-by"),
        (
            '<license license-type="CC BY-NC"><license-p>Words.</license-p></license>',
            "cc-by-nc",
        ),
        (f"<license><license-p>See {jats.CC_BY} for it.</license-p></license>", "cc-by"),
        (
            '<license license-type="open-access"><license-p>Free.</license-p></license>',
            None,
        ),
    ],
    ids=["attribute", "license_ref", "bare license_ref", "link", "type", "text", "none"],
)
def test_the_licence_is_found_wherever_it_stands(permissions: str, expected: str | None) -> None:
    assert licence(permissions)["id"] == expected


def test_a_licence_in_other_words_is_kept_as_text() -> None:
    stated = licence("<license><license-p>Free to read.</license-p></license>")
    assert stated["text"] == "Free to read."


def test_the_waiver_for_the_data_is_not_the_articles_licence() -> None:
    zero = "http://creativecommons.org/publicdomain/zero/1.0/"
    links = "".join(
        f'<ext-link {jats.XLINK} xlink:href="{one}">this</ext-link>' for one in (jats.CC_BY, zero)
    )
    assert licence(f"<license><license-p>{links}</license-p></license>")["id"] == "cc-by"


def test_an_article_without_permissions_states_no_licence() -> None:
    assert licence("") is None

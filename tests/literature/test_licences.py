"""One spelling of licences, and no guess."""

import pytest

from titer.config import LICENCES
from titer.literature.licences import normal_licence, stated_by_record
from titer.records import Paper, is_open_licence


def paper(**fields: object) -> Paper:
    plain = {"paper_id": "pmid:1", "source": "pubmed", "title": "", "sections": []}
    return Paper(**{**plain, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CC BY", "cc-by"),
        ("cc by", "cc-by"),
        ("CC-BY-4.0", "cc-by"),
        ("cc by-nc 4.0", "cc-by-nc"),
        ("cc by-nc-nd", "cc-by-nc-nd"),
        ("CC BY-NC-SA 3.0 IGO", "cc-by-nc-sa"),
        ("CC BY-SA", "cc-by-sa"),
        ("cc by-nd", "cc-by-nd"),
        ("CC0", "cc0"),
        ("CC0 1.0 Universal", "cc0"),
        ("CC-Zero", "cc0"),
        ("https://creativecommons.org/licenses/by/4.0/", "cc-by"),
        ("http://creativecommons.org/licenses/by-nc-sa/3.0/", "cc-by-nc-sa"),
        ("http://www.creativecommons.org/licenses/by-nd-nc/1.0", "cc-by-nc-nd"),
        ("creativecommons.org/licenses/by/4.0", "cc-by"),
        ("http://creativecommons.org/publicdomain/zero/1.0/", "cc0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "public-domain"),
        ("http://arxiv.org/licenses/nonexclusive-distrib/1.0/", "arxiv-nonexclusive"),
        ("http://arxiv.org/licenses/assumed-1991-2003/", "arxiv-assumed"),
        ("Creative Commons Attribution License", "cc-by"),
        ("Creative Commons Attribution-NonCommercial-NoDerivs 4.0 International", "cc-by-nc-nd"),
        (
            "This is an open-access article distributed under the terms of the Creative Commons "
            "Attribution License, which permits unrestricted use, distribution, and reproduction.",
            "cc-by",
        ),
        (
            "Distributed under a Creative Commons Attribution-NonCommercial 4.0 License.",
            "cc-by-nc",
        ),
        ("publisher", "publisher"),
        ("Publisher-specific", "publisher"),
    ],
)  # fmt: skip
def test_a_licence_has_one_spelling(text: str, expected: str) -> None:
    licence = normal_licence(text, source="here")
    assert licence is not None
    assert (licence["id"], licence["source"]) == (expected, "here")


@pytest.mark.parametrize(
    "text",
    [
        "Elsevier user license", "open-access", "CC BY or CC BY-NC", "not CC0",
        "https://creativecommons.org/licenses/", "https://creativecommons.org/licenses/by-nc-x/4.0/",
        "CC", "CC BY-XX",
        "Under the Creative Commons Attribution License, for non-commercial use.",
    ],
)  # fmt: skip
def test_what_names_no_known_licence_is_kept_as_text(text: str) -> None:
    assert normal_licence(text, source="here") == {
        "id": None, "url": None, "source": "here", "text": text,
    }  # fmt: skip


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_nothing_said_is_no_licence(text: str | None) -> None:
    assert normal_licence(text, source="here") is None


def test_an_address_is_kept_in_one_form() -> None:
    licence = normal_licence("under (http://CreativeCommons.org/licenses/by/4.0).", source="x")
    assert licence is not None
    assert licence["url"] == "https://creativecommons.org/licenses/by/4.0/"


def test_of_several_addresses_the_first_counts() -> None:
    text = (
        "CC BY (http://creativecommons.org/licenses/by/4.0/). The waiver "
        "(http://creativecommons.org/publicdomain/zero/1.0/) applies to the data."
    )
    licence = normal_licence(text, source="x")
    assert licence is not None
    assert licence["id"] == "cc-by"


@pytest.mark.parametrize("name", LICENCES)
def test_each_licence_of_the_settings_is_known(name: str) -> None:
    licence = normal_licence(name, source="x")
    assert licence is not None
    assert licence["id"] == name


def test_an_arxiv_abstract_is_cc0_by_arxivs_terms() -> None:
    licence = stated_by_record(paper(source="arxiv", arxiv_id="2401.00001"))
    assert licence is not None
    assert (licence["id"], licence["source"]) == ("cc0", "arxiv_terms")


def test_a_synthetic_record_has_no_licence_by_arxivs_terms() -> None:
    assert stated_by_record(paper(source="arxiv", synthetic=True)) is None


@pytest.mark.parametrize(
    ("notice", "expected"),
    [
        ("© 2020. CC BY (https://creativecommons.org/licenses/by/4.0/).", "cc-by"),
        ("© 2020 The Authors. Open access under CC BY.", None),
        ("Copyright 2020 Elsevier.", None),
        ("See https://creativecommons.org/about for more.", None),
        (None, None),
    ],
)
def test_a_copyright_notice_is_a_licence_only_with_its_address(
    notice: str | None, expected: str | None
) -> None:
    licence = stated_by_record(paper(copyright_text=notice))
    assert (licence or {}).get("id") == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("cc0", True), ("cc-by", True), ("cc-by-sa", False), ("cc-by-nc", False), (None, False)],
)
def test_only_cc0_and_cc_by_may_be_passed_on(name: str | None, expected: bool) -> None:
    assert is_open_licence(name) is expected

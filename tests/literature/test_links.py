"""Names and links of one work."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titer.literature import links
from titer.records import Paper


def paper(number: int, **fields: object) -> Paper:
    return Paper(f"pmid:{number}", "pubmed", f"Title {number}", [], **fields)  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12))))
def test_what_is_joined_has_one_top_and_nothing_else_has(pairs: list[tuple[int, int]]) -> None:
    clusters: links.Clusters[int] = links.Clusters()
    labels = list(range(13))  # the slow way
    for one, other in pairs:
        clusters.join(one, other)
        labels = [labels[one] if label == labels[other] else label for label in labels]
    for one in range(13):
        for other in range(13):
            assert (clusters.top(one) == clusters.top(other)) == (labels[one] == labels[other])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"doi": "10.1/x"}, ["10.1/x"]),
        ({"doi": "10.48550/arXiv.2401.00001v3"}, ["10.48550/arxiv.2401.00001"]),
        ({"arxiv_id": "2401.00001"}, ["10.48550/arxiv.2401.00001"]),
        (
            {"arxiv_id": "q-bio/0401001", "doi": "10.1/x"},
            ["10.48550/arxiv.q-bio/0401001", "10.1/x"],
        ),
        ({"arxiv_id": "2401.00001", "doi": "10.48550/arxiv.2401.00001"},
         ["10.48550/arxiv.2401.00001"]),
        ({}, []),
    ],
)  # fmt: skip
def test_an_arxiv_id_is_a_doi_as_well(fields: dict[str, str], expected: list[str]) -> None:
    assert links.dois(paper(1, **fields)) == expected


def test_a_doi_of_more_than_five_titles_is_no_name() -> None:
    for n, expected in ((5, [["10.1/x"]] * 5), (6, [[]] * 6)):
        assert links.distinct_dois([paper(number, doi="10.1/x") for number in range(n)]) == expected

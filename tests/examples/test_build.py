"""Papers become train rows, validation rows and held-out papers; what is taken out is listed."""

import dataclasses

import pytest

from tests.examples.papers import item, make_example, make_paper, make_settings, section
from titer.config import OnLeak
from titer.errors import DataError, LeakError
from titer.examples.build import Built, build, heldout_row, without_repeats

PAPERS = [make_paper(number) for number in range(1, 41)]
LEAK = item("Other?", ids=frozenset({"5"}), id="Q5")


def clusters(built: Built) -> tuple[set[str], set[str], set[str]]:
    return (
        {row.cluster_id for row in built.train},
        {row.cluster_id for row in built.validation},
        {paper.cluster_id for paper in built.heldout_papers},
    )


def test_no_cluster_stands_in_two_splits() -> None:
    pairs = [make_paper(n, cluster_id=f"pmid:{n - n % 2}") for n in range(2, 42)]
    train, validation, heldout = clusters(build(pairs, make_settings(), []))
    assert train and validation and heldout
    assert not (train & validation or train & heldout or validation & heldout)
    assert train | validation | heldout == {paper.cluster_id for paper in pairs}


def test_rows_are_sorted_by_id_and_name_their_split() -> None:
    built = build(PAPERS, make_settings(), [])
    for name, rows in (("train", built.train), ("validation", built.validation)):
        assert [row.id for row in rows] == sorted(row.id for row in rows)
        assert {row.split for row in rows} == {name}


def test_the_order_of_the_papers_does_not_matter() -> None:
    assert build(PAPERS, make_settings(), []) == build(PAPERS[::-1], make_settings(), [])


def test_a_leaked_paper_gives_no_rows_and_is_not_held_out() -> None:
    for seed in range(5):
        built = build(PAPERS, make_settings(seed=seed), [LEAK])
        assert not any("pmid:5" in ids for ids in clusters(built))
        assert {row["rule"] for row in built.removed} == {"A"}
        assert {row["item_id"] for row in built.removed} == {"Q5"}
        assert built.counts["leaked_examples"] == len(built.removed) == 6


def test_a_duplicates_id_takes_out_its_cluster() -> None:
    version = make_paper(99, cluster_id="pmid:7", doi="10.1000/x")
    asked = [item("Other?", ids=frozenset({"10.1000/x"}))]
    built = build(PAPERS, make_settings(), asked, duplicates=[version])
    assert not any("pmid:7" in ids for ids in clusters(built))


def test_a_leak_fails_where_that_is_wanted() -> None:
    settings = make_settings(on_leak=OnLeak.fail)
    with pytest.raises(LeakError) as error:
        build(PAPERS, settings, [LEAK])
    text = str(error.value)
    assert text.startswith(
        "6 training examples hold what the benchmark asks: 6 from 1 papers (pmid:5); 1 items: Q5; "
        "such as rule A: 'pmid:5'. "
    )
    assert text.endswith("to leave the examples out and list them in removed.jsonl")


def test_no_leak_is_no_failure() -> None:
    assert build(PAPERS, make_settings(on_leak=OnLeak.fail), []).train


def test_equal_rows_are_kept_once_and_listed() -> None:
    twins = [dataclasses.replace(make_paper(n), sections=PAPERS[0].sections) for n in range(1, 9)]
    built = build(twins, make_settings(recipes=["fact_question"]), [])
    assert built.counts["examples"] == {"train": 1, "validation": 0}
    assert built.counts["duplicates"] == len(built.removed) == 7
    assert {row["rule"] for row in built.removed} == {"duplicate"}
    assert {row["item_id"] for row in built.removed} == {built.train[0].id}


def test_the_first_id_of_equal_rows_stays() -> None:
    rows = [make_example("Why?", "So.", id=name) for name in ("b", "a", "c")]
    kept, repeats = without_repeats(rows)
    assert [row.id for row in kept] == ["a"]
    assert [leak.example_id for leak in repeats] == ["b", "c"]


def test_counts_say_what_became_of_everything() -> None:
    bare = make_paper(77, sections=[section("FUNDING", "None.")], title="")
    counts = build([*PAPERS, bare], make_settings(), []).counts
    used = counts["examples"]["train"] + counts["examples"]["validation"]
    assert counts["papers"] == counts["clusters"] == 41
    assert counts["papers_without_examples"] == 1
    assert sum(sum(tally.values()) for tally in counts["recipes"].values()) == used
    assert counts["licences"] == {"CC-BY-4.0": used}
    assert counts["years"] == {"2020": used}
    assert counts["sources"] == {"pubmed": used}
    assert counts["unassigned_labels"] == {"FUNDING": 1}


def test_a_missing_licence_and_year_are_counted() -> None:
    papers = [dataclasses.replace(paper, license=None, pub_date=None) for paper in PAPERS]
    counts = build(papers, make_settings(), []).counts
    assert (list(counts["licences"]), list(counts["years"])) == (["not known"], ["not given"])


def test_papers_without_text_are_an_error_that_says_what_to_do() -> None:
    with pytest.raises(DataError, match=r"none of 1 papers fits a recipe .* Add papers"):
        build([make_paper(sections=[], title="")], make_settings(), [])


def test_a_benchmark_that_asks_everything_is_an_error() -> None:
    asked = [item("Other?", ids=frozenset({"1"}))]
    with pytest.raises(DataError, match="no training example is left: the benchmark asks all 6"):
        build([make_paper(1)], make_settings(), asked)


def test_extra_rows_are_checked_counted_and_split_like_all_others() -> None:
    rows = [
        make_example("Why?", "So.", id="own1", paper_id="own:a", cluster_id="own:a", source="own"),
        make_example("Why?", "So.", id="own2", paper_id="own:a", cluster_id="own:a", source="own"),
        make_example("Asked?", "Yes.", id="own3", paper_id="pmid:5", cluster_id="pmid:5"),
    ]
    built = build(PAPERS, make_settings(), [LEAK], extra=rows)
    assert [row.id for row in (*built.train, *built.validation) if row.id[:3] == "own"] == ["own1"]
    listed = {row["example_id"]: row["rule"] for row in built.removed}
    assert (listed["own2"], listed["own3"]) == ("duplicate", "A")
    assert built.counts["years"]["not given"] == built.counts["sources"]["own"] == 1


def test_a_heldout_row_counts_bytes() -> None:
    paper = make_paper(sections=[section("A", "Sjögren"), section("B", "x")], title="T")
    assert heldout_row(paper) == {
        "paper_id": "pmid:1", "title": "T", "text": "Sjögren x", "n_bytes": 10,
    }  # fmt: skip

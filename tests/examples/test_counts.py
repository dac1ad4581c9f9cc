"""Counts of what papers became: flows that add up, lengths in words, queries and files."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.examples.papers import item, make_paper, make_settings, section
from titer.examples import counts
from titer.examples.build import Built, build

PAPERS = [make_paper(number) for number in range(1, 41)]
LEAK = item("Other?", ids=frozenset({"5"}), id="Q5")
NOTHING: dict[str, list[Any]] = {"skipped": [], "rejected": [], "duplicate": []}


def of(built: Built, ids: Mapping[str, Any] | None = None, **lists: Any) -> dict[str, Any]:
    return counts.of(
        papers=PAPERS, copies=[], built=built, ids=ids or {}, lists={**NOTHING, **lists}
    )


def left_out(flow: list[dict[str, Any]]) -> dict[str, int]:
    return {reason: n for one in flow for reason, n in one["left_out"].items()}


def test_examples_are_counted_by_what_took_them_out() -> None:
    twin = make_paper(41, sections=PAPERS[0].sections, title=PAPERS[0].title)
    built = build([*PAPERS, twin], make_settings(), [LEAK])
    flow = of(built)["flow"]["examples"]
    heldout = {paper.paper_id for paper in built.heldout_papers}
    removed = {row["example_id"] for row in built.removed}
    assert left_out(flow) == {
        "rule A, same id": 6,
        "equal prompt and answer": len(removed) - 6,
        "of held-out papers": 6 * len(heldout),
    }
    assert flow[0] == {
        "step": "made", "what": "examples made", "n": 6 * 41, "left_out": {"rule A, same id": 6},
    }  # fmt: skip
    assert flow[-1]["n"] == len(built.train) + len(built.validation)


def test_an_example_under_several_rules_counts_under_the_first() -> None:
    built = build(PAPERS, make_settings(), [LEAK])
    again = [{**row, "rule": "C", "item_id": "Q9"} for row in built.removed]
    built.removed[:0] = again
    assert left_out(of(built)["flow"]["examples"])["rule A, same id"] == 6
    assert "rule C, same words" not in left_out(of(built)["flow"]["examples"])


def test_a_limit_that_took_examples_out_is_a_step_of_its_own() -> None:
    built = build(PAPERS, make_settings(), [])
    for row in built.train[:3]:
        built.removed.append({"example_id": row.id, "paper_id": row.paper_id, "rule": "cap:year"})
    del built.train[:3]
    flow = of(built)["flow"]["examples"]
    assert flow[-2]["left_out"] == {"limit per year": 3}
    assert flow[-2]["n"] - 3 == flow[-1]["n"]


def test_rows_that_never_became_examples_come_first() -> None:
    built = build(PAPERS, make_settings(), [])
    n_made = built.counts["examples_made"]
    row = {"example_id": "g", "paper_id": "pmid:1", "rule": "grounding", "item_id": "no quote"}
    built.removed.extend([row, {**row, "item_id": "number"}, row])
    built.counts["own"] = {"left_out": {"a.jsonl": {"excluded": 2}, "b.jsonl": {"excluded": 1}}}
    flow = of(built)["flow"]["examples"]
    assert flow[0]["left_out"] == {"excluded": 3, "no quote": 2, "number": 1}
    assert (flow[0]["n"], flow[1]["n"]) == (n_made + 6, n_made)


def test_papers_without_rows_say_why() -> None:
    bare = make_paper(41, sections=[section("FUNDING", "None.")], title="")
    built = build([*PAPERS, bare], make_settings(), [LEAK])
    found = counts.of(papers=[*PAPERS, bare], copies=[], built=built, ids={}, lists=NOTHING)
    assert left_out(found["flow"]["papers"]) == {
        "every example taken out": 1, "held out": len(built.heldout_papers), "no recipe fits": 1,
    }  # fmt: skip


def test_a_licence_that_nobody_states_is_shown_as_not_known() -> None:
    papers = [make_paper(1), make_paper(2, license=None), make_paper(3, license={"id": None})]
    assert counts.of_papers(papers)["paper_licences"] == {"CC-BY-4.0": 1, "not known": 2}


def test_years_are_split_by_source() -> None:
    papers = [make_paper(1), make_paper(2, source="arxiv"), make_paper(3, pub_date=None)]
    assert counts.of_papers(papers)["papers_by_year"] == {
        "2020": {"arxiv": 1, "pubmed": 1}, "not given": {"pubmed": 1},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("lengths", "quartiles", "filled"),
    [
        ([], [], {}),
        ([7], [7] * 5, {5: 1}),
        ([0, 4, 5, 10, 2000], [0, 4, 5, 10, 2000], {0: 2, 5: 1, 10: 1, 640: 1}),
    ],
    ids=["none", "one", "five"],
)
def test_word_lengths_fall_into_bins(
    lengths: list[int], quartiles: list[int], filled: dict[int, int]
) -> None:
    found = counts.word_lengths("word " * n for n in lengths)
    assert found["quartiles"] == quartiles
    bins = dict(zip(found["edges"], found["counts"], strict=True))
    assert {edge: n for edge, n in bins.items() if n} == filled


def test_queries_keep_hits_and_warnings_and_lose_their_ids() -> None:
    query = {"query_id": "pubmed:1", "query": "x", "until": "2030-12-31", "count": 9,
             "ids": ["1", "2"], "warnings": ["phrase not found"]}  # fmt: skip
    asked = counts.asked({"source": "live", "snapshot": "2030-12-31", "pubmed": [query]})
    assert asked["queries"] == [
        {"query_id": "pubmed:1", "query": "x", "until": "2030-12-31", "count": 9, "n_ids": 2,
         "warnings": ["phrase not found"]}
    ]  # fmt: skip


def test_missing_papers_are_named() -> None:
    rejected = [{"paper_id": "pmid:9", "reason": "missing"}, {"paper_id": "x", "reason": "short"}]
    found = of(build(PAPERS, make_settings(), []), rejected=rejected)
    assert found["missing_ids"] == ["pmid:9"]
    assert found["rejected_papers"] == {"missing": 1, "short": 1}


def test_sources_of_retractions_are_those_that_were_asked() -> None:
    built = build(PAPERS, make_settings(), [])
    assert of(built)["retraction_sources"] == [counts.RECORD_MARKS]
    asked = of(built, {"retraction_sources": ["retraction_watch"]})
    assert asked["retraction_sources"] == [counts.RECORD_MARKS, "Retraction Watch"]

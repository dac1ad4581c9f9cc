"""Papers and examples in tables and sentences."""

from typing import Any

import pytest

from titer.report import paper_tables


def test_the_table_of_the_flow_holds_every_step(context: dict[str, Any]) -> None:
    rows = paper_tables.of_flow(context["papers"]).rows
    assert rows[1] == ["Papers", "found, each once", "240", "retracted 21, too short 3"]
    assert rows[-1] == ["Examples", "rows to train and validate", "812", "-"]
    assert len(rows) == 6


def test_the_table_of_licences_holds_what_is_not_known(context: dict[str, Any]) -> None:
    assert paper_tables.of_licences(context["papers"]).rows == [
        ["not known", "200", "800"], ["cc-by", "16", "12"],
    ]  # fmt: skip


def test_queries_are_told_with_hits_and_warnings(context: dict[str, Any]) -> None:
    assert paper_tables.asked(context["papers"]) == [
        (
            "pubmed:1",
            "1,200 hits, 251 asked for: lupus[MeSH] <b>; warnings: phrase not found: lupuss",
        )
    ]


def test_many_files_are_counted() -> None:
    found = [{"name": f"pubmed26n{n:04d}.xml.gz", "records": 30000} for n in range(1200)]
    shown = paper_tables.asked({"asked": {"files": found}})
    assert shown[0] == ("pubmed26n0000.xml.gz", "30,000 records")
    assert shown[-1] == ("further entries", "1,176")


def test_many_publication_types_are_summed_up(context: dict[str, Any]) -> None:
    context["papers"]["publication_types"] = {f"Type {n:02d}": 1 for n in range(30)}
    said = dict(paper_tables.facts(context))["Publication types"]
    assert said.endswith("Type 09 (1), 20 others (20)")


def test_what_is_absent_is_not_recorded_and_never_zero() -> None:
    said = dict(paper_tables.facts({}))
    assert {said[name] for name in said if name != "Snapshot"} == {"not recorded"}


@pytest.mark.parametrize(
    ("n_synthetic", "years", "is_thanked"),
    [
        (216, {"2019": {"pubmed": 216}}, False),
        (0, {"2019": {"pubmed": 216}}, True),
        (0, {"2019": {"arxiv": 216}}, False),
        (0, {}, False),
    ],
    ids=["synthetic", "pubmed", "arxiv only", "none"],
)
def test_nlm_is_acknowledged_where_its_records_were_used(
    n_synthetic: int, years: dict[str, Any], is_thanked: bool
) -> None:
    papers = {"papers": 216, "synthetic_papers": n_synthetic, "papers_by_year": years}
    assert ("nor endorsed" in paper_tables.acknowledgement(papers)) == is_thanked

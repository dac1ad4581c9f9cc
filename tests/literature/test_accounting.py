"""From a source to rows: every record that was found is accounted for exactly once."""

import gzip
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.standin import corpus
from tests.standin.server import Server
from titer import files
from titer.config import DomainSettings, ExamplesSettings, PapersSettings, PapersSource
from titer.examples import folder
from titer.examples.build import build
from titer.literature import collect, dedupe, select
from titer.literature.credentials import Credentials

Stats = dict[str, Any]
EXCLUDED = "pmid:30000001"


@pytest.fixture
def write(
    papers_settings: PapersSettings,
    domain: DomainSettings,
    examples_settings: ExamplesSettings,
    credentials: Credentials,
    tmp_path: Path,
) -> Callable[[PapersSource], Stats]:
    """All of fetch_papers, into tmp_path / out; gives the counts."""

    def run(source: PapersSource) -> Stats:
        papers_settings.source = source
        found = collect.collect(
            papers_settings, domain, sample=tmp_path / "files", own=tmp_path / "files",
            cache=tmp_path / "cache", credentials=credentials,
        )  # fmt: skip
        selected = select.select(found.papers, examples_settings, excluded=frozenset({EXCLUDED}))
        unique = dedupe.deduplicate(selected.kept)
        copies = [paper for paper in selected.kept if paper.paper_id != paper.cluster_id]
        examples_settings.recipes = ["conclusion", "summarise"]
        examples_settings.heldout_share = 0.2
        return folder.write(
            tmp_path / "out", papers=unique.kept, copies=copies,
            built=build(unique.kept, examples_settings, [], duplicates=copies), ids=found.ids,
            lists={"skipped": found.skipped, "rejected": selected.rejected,
                   "duplicate": unique.duplicates},
            settings=examples_settings, title="Stand-in",
        )  # fmt: skip

    return run


def fates(out: Path) -> Counter[tuple[str, str]]:
    """(paper_id, what became of it) as the files of the folder tell, each with its number."""
    ways: Counter[tuple[str, str]] = Counter()
    for name in ("skipped", "rejected", "duplicate"):
        ways.update((row["paper_id"], name) for row in files.read_jsonl(out / f"{name}.jsonl"))
    ways.update((row["paper_id"], "used") for row in files.read_jsonl(out / folder.PAPERS))
    return ways


def adds_up(flow: list[dict[str, Any]]) -> bool:
    return all(one["n"] - sum(one["left_out"].values()) == two["n"] for one, two in pairwise(flow))


def steps(stats: Stats, name: str) -> dict[str, dict[str, Any]]:
    return {one["step"]: one for one in stats["flow"][name]}


def test_every_record_of_a_live_run_has_one_fate(
    write: Callable[[PapersSource], Stats], server: Server, tmp_path: Path
) -> None:
    server.found = {query: list(server.records) for query in ("words", "more words")}
    del server.records["30000003"]  # still in the index
    stats = write(PapersSource.live)
    ways = fates(tmp_path / "out")
    ids = {f"pmid:{corpus.FIRST_PMID + i}" for i in range(60)}
    ids |= {f"arxiv:{name}" for name in server.entries}
    assert {name for name, _ in ways} == ids
    assert set(ways.values()) == {1} and len(ways) == len(ids) == stats["found"]
    assert stats["missing_ids"] == ["pmid:30000003"]
    assert {"excluded", "missing", "retracted"} <= stats["rejected_papers"].keys()


def test_the_numbers_of_a_live_run_add_up(
    write: Callable[[PapersSource], Stats], tmp_path: Path
) -> None:
    stats = write(PapersSource.live)
    papers, examples = steps(stats, "papers"), steps(stats, "examples")
    assert adds_up(stats["flow"]["papers"]) and adds_up(stats["flow"]["examples"])
    assert papers["listed"]["left_out"] == {"listed more than once": 60}, "two queries find all"
    assert papers["listed"]["n"] == sum(one["n_ids"] for one in stats["asked"]["queries"]) == 170
    ways = Counter(way for _, way in fates(tmp_path / "out"))
    assert sum(papers["found"]["left_out"].values()) == ways["skipped"] > 0
    assert sum(papers["read"]["left_out"].values()) == ways["rejected"] > 0
    assert sum(papers["selected"]["left_out"].values()) == ways["duplicate"] > 0
    assert papers["used"]["n"] == ways["used"] == stats["papers"]
    assert papers["used"]["left_out"]["held out"] == stats["heldout_papers"] > 0
    rows = [row for name in ("train", "validation")
            for row in folder.read_examples(tmp_path / "out", name)]  # fmt: skip
    assert papers["teaching"]["n"] == len({row.paper_id for row in rows})
    assert examples["rows"]["n"] == len(rows)


def test_records_in_two_files_are_counted_as_listed_twice(
    write: Callable[[PapersSource], Stats], tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    for name, numbers in (("a", range(20)), ("b", range(10, 40))):
        records = [corpus.record(i, corpus.KINDS[i % len(corpus.KINDS)]) for i in numbers]
        body = corpus.article_set(records, deleted=("29999999",) if name == "b" else ())
        (tmp_path / "files" / f"{name}.xml.gz").write_bytes(gzip.compress(body, mtime=0))
    stats = write(PapersSource.sample)
    assert steps(stats, "papers")["listed"]["left_out"] == {"listed more than once": 10}
    assert steps(stats, "papers")["listed"]["n"] == 51
    assert stats["found"] == len(fates(tmp_path / "out")) == 41
    assert adds_up(stats["flow"]["papers"])
    assert steps(stats, "papers")["found"]["left_out"]["deleted by PubMed"] == 1


def test_years_licences_and_kinds_of_text_count_each_paper_once(
    write: Callable[[PapersSource], Stats],
) -> None:
    stats = write(PapersSource.live)
    for key in ("paper_licences", "texts"):
        assert sum(stats[key].values()) == stats["papers"]
    years = stats["papers_by_year"].values()
    assert sum(sum(by_source.values()) for by_source in years) == stats["papers"]
    assert {name for by_source in years for name in by_source} == {"pubmed", "arxiv"}

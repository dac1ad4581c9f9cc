"""What remains of several records of one id."""

import itertools

from titer.literature.merge import DELETED, OLDER, Merger, Read
from titer.records import Paper


def read(number: int, title: str, *, version: int = 1, revised: str | None = None) -> Read:
    name = f"pmid:{number}"
    paper = Paper(name, "pubmed", title, [], date_revised=revised, raw_sha256=title)
    return Read(name, paper, version=version)


def test_the_newest_record_stays_in_whatever_order_they_come() -> None:
    records = [
        read(1, "second", version=2, revised="2019"),
        read(1, "first", revised="2021"),
        read(1, "third", version=2, revised="2020-05"),
        read(1, "undated"),
    ]
    for order in itertools.permutations(records):
        merger = Merger()
        for one in order:
            merger.add(one)
        parsed = merger.parsed()
        assert [paper.title for paper in parsed.papers] == ["third"]
        assert parsed.skipped == [{"paper_id": "pmid:1", "reason": OLDER}] * 3


def test_a_deleted_record_goes_and_may_come_back() -> None:
    merger = Merger()
    merger.add(read(1, "gone"))
    merger.add(read(2, "back"))
    for number in (3, 2, 1):
        merger.add(Read(f"pmid:{number}", reason=DELETED))
    merger.add(read(2, "back"))
    parsed = merger.parsed()
    assert [paper.paper_id for paper in parsed.papers] == ["pmid:2"]
    assert [row["paper_id"] for row in parsed.skipped] == ["pmid:1", "pmid:3"]


def test_a_record_that_is_no_paper_is_listed_with_its_reason() -> None:
    merger = Merger()
    merger.add(Read("pmid:", reason="a record without PMID or Article"))
    assert merger.parsed().skipped == [
        {"paper_id": "pmid:", "reason": "a record without PMID or Article"}
    ]

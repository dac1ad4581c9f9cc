"""Own rows beside papers' rows: their share, and runs on own rows alone."""

from pathlib import Path

import pytest

from tests.examples.papers import make_example, make_paper, make_settings
from titer.config import ExampleSources
from titer.errors import ConfigError, DataError
from titer.examples import own
from titer.examples.build import build
from titer.examples.mix import mix

OWN = [make_example(f"Why {n}?", "So.", id=f"own{n:03}", source="own") for n in range(60)]
PAPERS = [make_example(f"How {n}?", "So.", id=f"paper{n:03}") for n in range(40)]


@pytest.mark.parametrize(
    ("share", "n_own", "n_papers"), [(0.6, 60, 40), (0.2, 10, 40), (0.75, 60, 20), (0.99, 60, 1)]
)
def test_the_share_of_own_rows_is_kept(share: float, n_own: int, n_papers: int) -> None:
    kept, dropped = mix([*OWN, *PAPERS], make_settings(mix=share))
    assert sum(row.source == "own" for row in kept) == n_own
    assert len(kept) == n_own + n_papers
    assert [row.id for row in kept] == sorted(row.id for row in kept)
    assert {leak.rule for leak in dropped} <= {"cap:mix"}
    assert len(kept) + len(dropped) == 100
    again, _ = mix([*PAPERS[::-1], *OWN[::-1]], make_settings(mix=share))
    assert again == kept


def test_without_a_share_all_rows_stay() -> None:
    assert mix([*OWN, *PAPERS], make_settings()) == ([*OWN, *PAPERS], [])


def test_how_many_rows_are_set_aside_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    _, dropped = mix([*OWN[:2], *PAPERS], make_settings(mix=0.5))
    assert f"{len(PAPERS) - 2} training rows of papers and 0 of your own set aside" in caplog.text
    assert len(dropped) == len(PAPERS) - 2
    assert "examples.mix = 0.5, the share of your own rows, leaves 2 and 2" in caplog.text


def test_one_side_alone_is_not_mixed(caplog: pytest.LogCaptureFixture) -> None:
    assert mix(PAPERS, make_settings(mix=0.5)) == (PAPERS, [])
    assert "no training rows of your own, so nothing is mixed" in caplog.text


def test_a_share_needs_both_sources() -> None:
    with pytest.raises(ConfigError, match=r"examples.mix = 0.5: .*=own: set examples.mix=null$"):
        make_settings(mix=0.5, sources=ExampleSources.own)


@pytest.fixture
def books(tmp_path: Path) -> Path:
    rows = "".join(
        f'{{"question": "Why {n}?", "answer": "So it is with {n}.", "source": "Book {n % 30}"}}\n'
        for n in range(90)
    )
    (tmp_path / "books.jsonl").write_text(rows)
    return tmp_path


def test_own_rows_alone_give_all_three_splits_by_source(books: Path) -> None:
    rows = own.read(books)
    built = build([], make_settings(sources=ExampleSources.own), [], extra=rows.examples)
    assert built.heldout_papers == []
    held = {name for row in built.heldout_rows for name in row["example_ids"]}
    splits = [{row.id for row in built.train}, {row.id for row in built.validation}, held]
    assert all(splits) and sum(map(len, splits)) == 90
    clusters = {row.id: row.cluster_id for row in rows.examples}
    sources = [{clusters[name] for name in split} for split in splits]
    assert not sources[0] & sources[1] and not sources[0] & sources[2]
    assert not sources[1] & sources[2]
    first = built.heldout_rows[0]
    assert first["paper_id"].startswith("own:books.jsonl#Book ")
    assert first["n_bytes"] == len(first["text"].encode()) and "So it is with" in first["text"]
    assert built.counts["heldout_own"] == len(built.heldout_rows)


def test_no_own_row_is_held_out_beside_papers(books: Path) -> None:
    papers = [make_paper(number) for number in range(1, 41)]
    built = build(papers, make_settings(), [], extra=own.read(books).examples)
    assert all("example_ids" not in row for row in built.heldout_rows)
    assert "heldout_own" not in built.counts


def test_no_rows_at_all_is_one_line() -> None:
    with pytest.raises(DataError, match=r"examples.sources=own and there are no rows of your own"):
        build([], make_settings(sources=ExampleSources.own), [])


def test_rows_are_not_read_where_papers_are_wanted(books: Path) -> None:
    assert own.read_wanted(books, ExampleSources.papers).examples == []
    assert len(own.read_wanted(books, ExampleSources.both).examples) == 90

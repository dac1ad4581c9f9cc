"""data/papers on disk: every file is named in the card, and order by chance changes nothing."""

from collections.abc import Sequence
from pathlib import Path

from tests.examples.papers import make_paper, make_settings
from titer import files
from titer.examples import folder
from titer.examples.build import build
from titer.records import Paper

PAPERS = [make_paper(number) for number in range(1, 31)]


def write(out: Path, papers: Sequence[Paper]) -> Path:
    settings = make_settings()
    folder.write(
        out, papers=papers, copies=[], built=build(papers, settings, []), ids={},
        lists={"skipped": [], "rejected": [], "duplicate": []}, settings=settings, title="Lamps",
    )  # fmt: skip
    return out


def test_every_file_is_named_in_the_card(tmp_path: Path) -> None:
    out = write(tmp_path, PAPERS)
    written = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert written == folder.CONTENTS.keys()
    card = (out / folder.CARD).read_text(encoding="utf-8")
    assert all(f"- `{name}`: " in card for name in written)


def test_the_order_of_the_papers_changes_no_byte(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a", PAPERS), write(tmp_path / "b", PAPERS[::-1])
    assert files.sha256_tree(one) == files.sha256_tree(other)

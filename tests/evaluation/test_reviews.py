"""Clinicians' reviews: what overrides what, what is stale, and what is refused."""

import re
from pathlib import Path

import pytest

from tests.evaluation import made_up as m
from titer import files
from titer.errors import FormatError
from titer.evaluation import reviews

HEADER = ",".join(reviews.COLUMNS)
ASKED = [m.question(1), m.question(2)]
TEXT = "Antinuclear antibody, usually."
SHA = files.sha256_text(TEXT)
ROOT = Path(__file__).resolve().parents[2]


def write(folder: Path, *rows: str) -> Path:
    path = folder / "reviews.csv"
    path.write_text("\n".join((HEADER, *rows)) + "\n", encoding="utf-8")
    return path


def row(point="k1", verdict="missing", reviewer="A", sha=SHA, item="Q001", note="") -> str:
    return f"{sha},{item},{point},{verdict},{reviewer},{note}"


def stats(folder: Path, *rows: str, text: str = TEXT):
    answers = [m.answer(q, text) for q in ASKED]
    return m.run_score(
        m.tuned("qlora", m.BASE, answers=answers), questions=ASKED,
        reviewed=reviews.load(write(folder, *rows)),
    )  # fmt: skip


def test_the_shipped_file_is_empty_and_changes_nothing(tmp_path: Path) -> None:
    shipped = ROOT / "data" / "own" / "autoimmune" / "reviews.csv"
    assert reviews.load(shipped) == reviews.load(write(tmp_path)) == []
    found = stats(tmp_path)
    assert found["arms"]["qlora"]["metrics"]["keypoint_recall"] == 1
    assert found["reviews"] == {
        "n": 0, "applied": 0, "agreement": None, "kappa": None, "stale": [], "contradicted": [],
    }  # fmt: skip


def test_a_verdict_overrides_the_matcher_for_one_answer(tmp_path: Path) -> None:
    found = stats(tmp_path, row(sha=SHA[:12]))
    assert found["arms"]["qlora"]["metrics"]["keypoint_recall"] == 0.5
    first, second = (answer["arms"]["qlora"] for answer in found["answers"])
    assert first["answer_sha256"] == second["answer_sha256"] == SHA
    assert first["key_points"][0] == {
        "id": "k1", "text": "ANA", "state": "missing", "spans": [], "human_override": True,
    }  # fmt: skip
    assert (first["recall"], second["recall"]) == (0, 1)
    assert not second["key_points"][0]["human_override"]
    assert (found["reviews"]["n"], found["reviews"]["agreement"]) == (1, 0)


def test_a_must_not_statement_can_be_overridden_too(tmp_path: Path) -> None:
    found = stats(tmp_path, row(point="n1", verdict="met"))
    first = found["answers"][0]["arms"]["qlora"]
    assert [hit["id"] for hit in first["must_not"]] == ["n1"]
    assert (first["recall"], first["rubric"]) == (1, 0)


def test_a_stale_verdict_is_listed_and_never_applied(tmp_path: Path) -> None:
    found = stats(tmp_path, row(), row(item="Q999"), text="ANA, as a rule.")
    assert found["arms"]["qlora"]["metrics"]["keypoint_recall"] == 1
    block = found["reviews"]
    assert (block["n"], block["applied"]) == (0, 0)
    assert [one["item_id"] for one in block["stale"]] == ["Q001", "Q999"]


def test_reviewers_who_contradict_each_other_change_nothing(tmp_path: Path) -> None:
    found = stats(tmp_path, row(), row(verdict="met", reviewer="B"))
    assert found["arms"]["qlora"]["metrics"]["keypoint_recall"] == 1
    block = found["reviews"]
    assert (block["n"], block["applied"], block["agreement"]) == (2, 0, 0.5)
    assert [one["reviewer"] for one in block["contradicted"]] == ["A", "B"]


def test_agreement_and_kappa_by_hand() -> None:
    pairs = [(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10 + [(False, False)] * 15
    found = reviews.agreement(pairs)
    assert found["agreement"] == pytest.approx(0.7)
    assert found["kappa"] == pytest.approx(0.4)
    assert reviews.agreement([(True, True)]) == {"agreement": 1.0, "kappa": None}
    assert reviews.agreement([(True, False)] * 3)["kappa"] == 0
    assert reviews.agreement([]) == {"agreement": None, "kappa": None}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(verdict="meet")], ":2: verdict is 'meet', allowed: met, missing (did you mean met?)"),
        ([row(sha="12ab")], ":2: answer_sha256 is '12ab', expected 12 to 64 hex digits"),
        ([row(sha="x" * 12)], f":2: answer_sha256 is '{'x' * 12}', expected"),
        ([row(reviewer=" ")], ":2: reviewer is empty"),
        ([row(), row(verdict="met")], ":3: the same as "),
        (["a,b,c"], ":2: expected 6 cells"),
        ([row(note="x,y")], ":2: expected 6 cells"),
    ],
    ids=["verdict", "short hash", "no hash", "reviewer", "twice", "few cells", "many cells"],
)
def test_a_malformed_row_is_refused_with_its_line(tmp_path, rows, message) -> None:
    path = write(tmp_path, *rows)
    with pytest.raises(FormatError) as error:
        reviews.load(path)
    assert str(error.value).startswith(f"{path}{message}")
    assert "\n" not in str(error.value)


def test_another_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    path.write_text("item,verdict\n")
    with pytest.raises(FormatError, match=re.escape(f"{path}:1: the header must be {HEADER}")):
        reviews.load(path)


def test_an_unknown_key_point_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(FormatError) as error:
        stats(tmp_path, row(point="k9"))
    message = ":2: Q001 has no key point 'k9', it has k1, n1"
    assert str(error.value) == f"{tmp_path / 'reviews.csv'}{message}"


def test_a_mistyped_question_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(FormatError) as error:
        stats(tmp_path, row(), row(item="Q01", sha=SHA[:12]))
    said = ":3: no question 'Q01' was asked, the answer of this hash is one to Q001, Q002 (did you"
    assert str(error.value).startswith(f"{tmp_path / 'reviews.csv'}{said} mean Q00")

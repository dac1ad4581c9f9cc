"""Clinicians' verdicts on key points, from data/own/<domain>/reviews.csv.

Invariant: a verdict belongs to one text. Where the answer has changed it is stale: listed, never
applied. Where reviewers contradict each other nothing is overridden.

    answer_sha256,item_id,key_point,verdict,reviewer,note
    3f1c8e0a9b42,Q001,k3,met,Dr A,"says consumption of complement"

`answer_sha256` is the hash of the final answer, at least 12 digits of it, as results/stats.json
and the report print it; `key_point` may also name a must-not statement, and `met` then means said.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from titer import files
from titer.errors import FormatError, did_you_mean
from titer.evaluation import keypoints, open_answers
from titer.evaluation.arms import Arm
from titer.evaluation.open_answers import Overrides
from titer.records import Question

PATH = "data/own/${domain}/reviews.csv"
COLUMNS = ("answer_sha256", "item_id", "key_point", "verdict", "reviewer", "note")
VERDICTS = {"met": True, "missing": False}
MIN_DIGITS = 12


@dataclass(frozen=True)
class Review:
    """One verdict of one person."""

    where: str
    """path:line."""
    digits: str
    """First digits of the answer's sha256."""
    item_id: str
    point: str
    """Key point or must-not statement."""
    met: bool
    reviewer: str

    def to_json(self) -> dict[str, Any]:
        """As stats.json lists it."""
        shown = {"item_id": self.item_id, "key_point": self.point, "answer_sha256": self.digits}
        return shown | {"verdict": "met" if self.met else "missing", "reviewer": self.reviewer}


def load(path: Path) -> list[Review]:
    """The verdicts, in the order of the file; a file with a header only is fine.

    Raises:
        FormatError: the header differs or a row is not as described above, or given twice by the
            same reviewer; begins with path:line.
    """
    text = files.read_text(path)
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise FormatError(f"{path}:1: the header must be {','.join(COLUMNS)}")
        found = [_review(row, f"{path}:{reader.line_num}") for row in reader]
    except csv.Error as error:
        raise FormatError(f"{path}:{reader.line_num}: {error}") from None
    seen: dict[tuple[str, ...], str] = {}
    for one in found:
        key = (one.digits[:MIN_DIGITS], one.item_id, one.point, one.reviewer)
        if key in seen:
            raise FormatError(f"{one.where}: the same as {seen[key]}. Keep one of them")
        seen[key] = one.where
    return found


def _review(row: Mapping[str | None, Any], where: str) -> Review:
    if None in row or None in row.values():
        raise FormatError(f"{where}: expected {len(COLUMNS)} cells: {','.join(COLUMNS)}")
    cells = {name: str(row[name]).strip() for name in COLUMNS}
    for name in ("item_id", "key_point", "reviewer"):
        if not cells[name]:
            raise FormatError(f"{where}: {name} is empty")
    digits = cells["answer_sha256"].lower()
    if not MIN_DIGITS <= len(digits) <= 64 or set(digits) - set("0123456789abcdef"):
        raise FormatError(
            f"{where}: answer_sha256 is {digits!r}, expected {MIN_DIGITS} to 64 hex digits"
        )
    verdict = cells["verdict"].lower()
    if verdict not in VERDICTS:
        hint = did_you_mean(verdict, VERDICTS)
        raise FormatError(f"{where}: verdict is {verdict!r}, allowed: met, missing{hint}")
    key = (cells["item_id"], cells["key_point"])
    return Review(where, digits, *key, VERDICTS[verdict], cells["reviewer"])


def resolve(
    reviews: Sequence[Review], questions: Sequence[Question], arms: Mapping[str, Arm]
) -> tuple[Overrides, dict[str, Any]]:
    """What the reviews override, and how well they agree with the matcher.

    Args:
        reviews: of all reviewers.
        questions: everything that was asked, safety items too.
        arms: with their answers, all samples.
    Returns:
        Overrides by `(question id, answer text)`, and a block for stats.json: `n` verdicts that
        apply to an answer, `applied` points that follow from them, `agreement` (share) and Cohen's
        `kappa` of verdicts against the matcher, `stale` and `contradicted` ones as lists.

    Raises:
        FormatError: a verdict names a point that its question does not have, or gives the hash of
            an answer of this run together with the id of no question that was asked.
    """
    asked = {question.id: question for question in questions}
    texts = _texts(arms)
    stale: list[Review] = []
    given: dict[tuple[str, str], dict[str, list[Review]]] = defaultdict(lambda: defaultdict(list))
    pairs: list[tuple[bool, bool]] = []
    for review in reviews:
        if review.item_id not in asked:
            _check_mistyped(review, asked, texts)
        text = _match(review, texts.get(review.item_id, {})) if review.item_id in asked else None
        if text is None:
            stale.append(review)
            continue
        question = asked[review.item_id]
        pairs.append((review.met, _matcher(question, text, review)))
        given[question.id, text][review.point].append(review)
    overrides: dict[tuple[str, str], dict[str, bool]] = defaultdict(dict)
    contradicted: list[Review] = []
    for key, points in given.items():
        for point, votes in points.items():
            if len({vote.met for vote in votes}) == 1:
                overrides[key][point] = votes[0].met
            else:
                contradicted += votes
    return dict(overrides), {
        "n": len(pairs),
        "applied": sum(len(points) for points in overrides.values()),
        **agreement(pairs),
        "stale": [review.to_json() for review in stale],
        "contradicted": [review.to_json() for review in contradicted],
    }


def _texts(arms: Mapping[str, Arm]) -> dict[str, dict[str, str]]:
    """Final answers by question and sha256."""
    texts: dict[str, dict[str, str]] = defaultdict(dict)
    for arm in arms.values():
        for key, samples in arm.answers.items():
            for answer in samples:
                text = open_answers.final(answer)
                texts[key][files.sha256_text(text)] = text
    return texts


def _match(review: Review, texts: Mapping[str, str]) -> str | None:
    return next((text for sha, text in texts.items() if sha.startswith(review.digits)), None)


def _check_mistyped(
    review: Review, asked: Iterable[str], texts: Mapping[str, Mapping[str, str]]
) -> None:
    """Refuse an id that no question has, where the hash says that an answer of this run is meant.

    Without such an answer the verdict is stale: `eval.questions` may ask others than those that
    were reviewed, and the verdicts on these stay in the file.
    """
    meant = [name for name in asked if _match(review, texts.get(name, {})) is not None]
    if meant:
        raise FormatError(
            f"{review.where}: no question {review.item_id!r} was asked, the answer of this hash "
            f"is one to {', '.join(meant[:3])}{did_you_mean(review.item_id, meant)}"
        )


def _matcher(question: Question, text: str, review: Review) -> bool:
    """What the matcher says of the point by itself."""
    score = open_answers.judged(question, text, {})
    states = {p["id"]: p["state"] == keypoints.MET for p in score.key_points}
    said = {hit["id"] for hit in score.must_not}
    states |= {str(point["id"]): point["id"] in said for point in question.must_not}
    if review.point not in states:
        raise FormatError(
            f"{review.where}: {question.id} has no key point {review.point!r}, "
            f"it has {', '.join(states)}"
        )
    return states[review.point]


def agreement(pairs: Iterable[tuple[bool, bool]]) -> dict[str, float | None]:
    """Share of equal verdicts and Cohen's kappa; null where there is nothing to compare.

    Reference: Cohen (1960). Kappa is undefined where both sides say the same of everything.
    """
    table = [[0, 0], [0, 0]]
    for one, other in pairs:
        table[one][other] += 1
    n = sum(map(sum, table))
    if not n:
        return {"agreement": None, "kappa": None}
    same = (table[0][0] + table[1][1]) / n
    one_cell = n in (table[0][0], table[1][1])
    return {"agreement": same, "kappa": None if one_cell else _kappa(table)}


def _kappa(table: Sequence[Sequence[int]]) -> float:
    from statsmodels.stats.inter_rater import cohens_kappa

    return float(cohens_kappa(table, return_results=False))

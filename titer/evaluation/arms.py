"""The results of one model as score takes them apart: arms, items with their wordings averaged.

Invariant: numbers that are missing or not finite leave their item out and are listed in `broken`;
an item whose rows contradict each other is an error.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from titer.errors import DataError
from titer.records import Answer

NF4 = "nf4"
ARMS = ("base", "base_4bit", "qlora", "full")
FEW_SHOT = "base_few_shot"
"""The base with solved examples in the prompt: context beside the arms, compared with none."""
BASE_OF = {"qlora": "base_4bit", "full": "base"}
"""Equal precision, so that training alone is judged."""
FINE_TUNES = tuple(BASE_OF)

Row = Mapping[str, Any]


@dataclass(frozen=True)
class ArmInput:
    """What one benchmark stage left."""

    name: str
    """base, qlora or full."""
    answers: Sequence[Answer]
    """Only the first seven fields are needed."""
    closed: Sequence[Row]
    """Rows of closed.jsonl; those of base hold both precisions, and few-shot rows on request."""
    run: Row
    """run.json."""


@dataclass(frozen=True)
class Scored:
    """One item: log-likelihoods of its candidates, averaged over the wordings."""

    row: Row
    """The first wording's."""
    candidates: Sequence[str]
    gold: int
    ll: Sequence[float]
    blind: Sequence[float] | None
    wordings: Sequence[str]
    """Ids of the rows."""
    ll_by_wording: Sequence[Sequence[float]]
    """As `ll`, before averaging, in the order of the ids."""


@dataclass
class Arm:
    """One model at one precision."""

    name: str
    precision: str
    run: Row
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    """Samples of each question, in order."""
    prompts: dict[str, str] = field(default_factory=dict)
    """sha256 of what was asked, by row."""
    items: dict[str, Scored] = field(default_factory=dict)
    """By `item_key`."""
    texts: dict[str, tuple[float, int]] = field(default_factory=dict)
    """Log-likelihood and bytes of general texts."""
    broken: dict[str, str] = field(default_factory=dict)
    """Items and texts with a likelihood that is missing or not finite: key and row."""

    def of(self, kind: str, direction: str = "forward", form: str = "cloze") -> dict[str, Scored]:
        """Items of one set (facts or general), direction and format."""
        wanted = (kind, direction, form)
        return {key: item for key, item in self.items.items() if _kind(item.row) == wanted}


def item_key(row: Row) -> str:
    """What the wordings of one item share: fact, direction and format, or the general item's id."""
    if row["set"] != "facts":
        return str(row["id"])
    return f"{row['fact_id']}:{row.get('direction', 'forward')}:{row.get('format', 'cloze')}"


def _kind(row: Row) -> tuple[str, str, str]:
    return row["set"], row.get("direction") or "forward", row.get("format") or "cloze"


def split(inputs: Mapping[str, ArmInput]) -> tuple[dict[str, Arm], dict[str, str]]:
    """The arms that ran, and the reasons of those that did not.

    Raises:
        DataError: there are no results of the base model, or rows contradict each other.
    """
    arms: dict[str, Arm] = {}
    reasons: dict[str, str] = {}
    for name in ARMS:
        source = inputs.get("base" if name == "base_4bit" else name)
        reason = _why_not(name, source)
        if reason is None and source is not None:
            arms[name] = _arm(name, source)
        else:
            reasons[name] = reason or "no results"
    if "base" not in arms:
        raise DataError(f"base: {reasons['base']}. Every comparison needs it: dvc repro")
    if any(row.get("few_shot") for row in inputs["base"].closed):
        arms[FEW_SHOT] = _arm(FEW_SHOT, inputs["base"])
    return arms, reasons


def _why_not(name: str, source: ArmInput | None) -> str | None:
    if source is None:
        return "no results"
    if source.run.get("status", "ok") != "ok":
        return str(source.run.get("reason") or "no reason given")
    if name == "base_4bit" and not any(row.get("precision") == NF4 for row in source.closed):
        return "the base model was not measured in 4 bits"
    return None


def _arm(name: str, source: ArmInput) -> Arm:
    rows, answers = list(source.closed), list(source.answers)
    if source.name == "base":
        rows = [row for row in rows if _base_arm(row) == name]
        quantized = name == "base_4bit"
        answers = [answer for answer in answers if (answer.precision == NF4) == quantized]
        answers = [] if name == FEW_SHOT else answers  # it was asked closed questions only
    precision = next((str(row["precision"]) for row in rows if row.get("precision")), "")
    arm = Arm(name, precision, source.run)
    for answer in sorted(answers, key=lambda answer: (answer.id, answer.sample_index)):
        arm.answers.setdefault(answer.id, []).append(answer)
        if answer.prompt_sha256:
            arm.prompts[f"answer {answer.id}"] = answer.prompt_sha256
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["set"] == "text":
            _add_text(arm, row)
        else:
            groups[item_key(row)].append(row)
            arm.prompts[str(row["id"])] = f"{row['prompt_sha256']} {row.get('blind_prompt_sha256')}"
    for key, wordings in sorted(groups.items()):
        _add_item(arm, key, sorted(wordings, key=lambda row: str(row["id"])))
    return arm


def _base_arm(row: Row) -> str:
    """The arm that a row of the base belongs to."""
    if row.get("few_shot"):
        return FEW_SHOT
    return "base_4bit" if row.get("precision") == NF4 else "base"


def _add_text(arm: Arm, row: Row) -> None:
    if is_finite(row["ll"]) and row["n_bytes"] > 0:
        arm.texts[row["id"]] = (row["ll"][0], row["n_bytes"])
    else:
        arm.broken[row["id"]] = row["id"]


def _add_item(arm: Arm, key: str, wordings: Sequence[Row]) -> None:
    first = wordings[0]
    for row in wordings:
        _check_row(arm, row, first)
    blind = [row["ll_blind"] for row in wordings if row.get("ll_blind") is not None]
    for row in wordings:
        if not is_finite([*row["ll"], *(row.get("ll_blind") or ())]):
            arm.broken[key] = row["id"]
            return
    arm.items[key] = Scored(
        row=first,
        candidates=first["candidates"],
        gold=first["gold"],
        ll=_average([row["ll"] for row in wordings]),
        blind=_average(blind) if blind else None,
        wordings=[row["id"] for row in wordings],
        ll_by_wording=[row["ll"] for row in wordings],
    )


def _check_row(arm: Arm, row: Row, first: Row) -> None:
    n = len(row["candidates"])
    lengths = {len(row["ll"]), len(row.get("ll_blind") or row["ll"])}
    if lengths != {n}:
        raise DataError(
            f"{arm.name}: {row['id']} has {n} candidates and {sorted(lengths)} likelihoods. "
            "Run the benchmark stages again"
        )
    if (row["candidates"], row["gold"]) != (first["candidates"], first["gold"]):
        raise DataError(
            f"{arm.name}: {row['id']} and {first['id']} are wordings of one item and differ in "
            "their candidates. Run the benchmark stages again"
        )


def is_finite(scores: Iterable[float | None]) -> bool:
    """Whether every log-likelihood (nats) is there and a number."""
    return all(score is not None and math.isfinite(score) for score in scores)


def _average(rows: Sequence[Sequence[float]]) -> list[float]:
    return [math.fsum(column) / len(rows) for column in zip(*rows, strict=True)]

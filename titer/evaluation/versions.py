"""Two versions of a fine-tune on the same questions: paired differences and a decision.

Each version was judged against its own base; which of the two is better is another question. Both
are scored here from their stored likelihoods and answers with the same four choices per item, those
of the newer version, because another training corpus changes which distractors are fair.
Invariant: only what both were asked in the same way counts: closed and general items with the same
candidates, texts of the same length, questions with the same reference answer and the same key
points. Each block says how many; versions that cannot be told apart are said to be so.
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from titer.config import PlanSettings
from titer.errors import DataError
from titer.evaluation import arm_scores, arms, comparing, gates, verdict
from titer.evaluation.arm_scores import ArmScores, Selection
from titer.evaluation.arms import Arm, ArmInput, item_key
from titer.evaluation.choices import Choice
from titer.evaluation.comparing import Pair
from titer.records import Fact, Question

SHOWN = ("primary", "seen", "unseen", "keypoint_recall", "ref_bpb", "general", "bpb_ood")
"""Blocks of a comparison, in this order."""

GATES = ("likelihoods", "truncated")
"""Checks that two versions must pass. Those of a fine-tune against its own base do not apply, and a
benchmark that grew between them leaves fewer shared questions, which the notes count."""

NEWER_BETTER, NEWER_WORSE, EQUAL = "the second is better", "the second is worse", "equivalent"
CANNOT_TELL, INVALID = "cannot tell", "invalid"

_WORDS = {
    verdict.HELPED: NEWER_BETTER,
    verdict.HURT: NEWER_WORSE,
    verdict.EQUIVALENT: EQUAL,
    verdict.INCONCLUSIVE: CANNOT_TELL,
    verdict.INVALID: INVALID,
}


@dataclass(frozen=True)
class Outputs:
    """What one version left."""

    arm: str
    """qlora or full."""
    inputs: Mapping[str, ArmInput]
    """Results of the base and of the fine-tune."""
    stats: Mapping[str, Any]
    """Its results/stats.json."""


@dataclass(frozen=True)
class Edited:
    """Ids of what both versions were asked, but not in the same way: left out on both sides.

    An easier benchmark would otherwise make the version that it asked look better.
    """

    general: frozenset[str]
    """Other candidates."""
    texts: frozenset[str]
    """Another length in bytes."""
    references: frozenset[str]
    """Another reference answer."""
    key_points: frozenset[str]
    """Other key points, or none on one side."""

    def notes(self) -> list[str]:
        """How many of each, in words; none where nothing was edited."""
        said = (
            (self.general, "general items have other candidates"),
            (self.texts, "general texts have another length"),
            (self.references, "questions have another reference answer"),
            (self.key_points, "questions have other key points"),
        )
        return [f"{len(ids)} {words} and were left out" for ids, words in said if ids]


def compare(first: Outputs, second: Outputs) -> dict[str, Any]:
    """The second version minus the first.

    Returns:
        `{decision, blocks, gates, notes, plan}`: words, the paired blocks by name (null where
        nothing could be compared), the checks, and what else differs between the two.
    Raises:
        DataError: results of a version are missing or do not fit each other.
    """
    old, new = _arm(first), _arm(second)
    edited = _edited(old, new, _asked(first), _asked(second))
    texts = (old.texts.keys() & new.texts.keys()) - edited.texts
    old, new = _only(old, texts, edited.general), _only(new, texts, edited.general)
    plan = _plan(second)
    cloze = _choices(second, new)
    scores = [_scores(*one, cloze, edited) for one in ((first, old), (second, new))]
    pair = Pair(old, new, scores[0], scores[1], cloze, plan)
    found = comparing.blocks(pair)
    checks = [
        gate for gate in gates.check(pair, found, _questions(second), {}) if gate.name in GATES
    ]
    block = found["primary"]
    primary = verdict.primary_of(block, block["p"]) if block else None  # one p: nothing to correct
    decided = verdict.decide(primary, checks, plan)
    return {
        "decision": _WORDS[decided],
        "blocks": {name: found[name] for name in SHOWN},
        "gates": [asdict(gate) for gate in checks],
        "notes": [*_notes(first, second, pair, len(cloze)), *edited.notes()],
        "plan": asdict(plan),
    }


def _arm(outputs: Outputs) -> Arm:
    ran, reasons = arms.split(outputs.inputs)
    if outputs.arm not in ran:
        raise DataError(f"{outputs.arm}: {reasons[outputs.arm]}; there is nothing to compare")
    return ran[outputs.arm]


def _asked(outputs: Outputs) -> dict[str, tuple[str | None, frozenset[str] | None]]:
    """Reference answer and key points of every open question, as this version was judged on."""
    return {
        row["id"]: (row.get("reference_answer"), _key_points(row["arms"].get(outputs.arm, {})))
        for row in outputs.stats["answers"]
    }


def _key_points(scored: Mapping[str, Any]) -> frozenset[str] | None:
    """Null where the answer was not scored by key points."""
    points = scored.get("key_points")
    return frozenset(point["text"] for point in points) if points else None


def _edited(old: Arm, new: Arm, was: Mapping[str, Any], now: Mapping[str, Any]) -> Edited:
    before, after = old.of("general"), new.of("general")
    asked = was.keys() & now.keys()
    return Edited(
        general=_differing(before, after, lambda item: (list(item.candidates), item.gold)),
        texts=_differing(old.texts, new.texts, lambda text: text[1]),
        references=frozenset(key for key in asked if was[key][0] != now[key][0]),
        key_points=frozenset(key for key in asked if was[key][1] != now[key][1]),
    )


def _differing(
    before: Mapping[str, Any], after: Mapping[str, Any], what: Callable[[Any], Any]
) -> frozenset[str]:
    """Keys of both whose entries are not the same in this respect."""
    return frozenset(k for k in before.keys() & after.keys() if what(before[k]) != what(after[k]))


def _only(arm: Arm, texts: Set[str], edited: Set[str]) -> Arm:
    """An arm with these general texts, and without these items."""
    return replace(
        arm,
        items={key: item for key, item in arm.items.items() if key not in edited},
        texts={key: text for key, text in arm.texts.items() if key in texts},
    )


def _plan(outputs: Outputs) -> PlanSettings:
    said = outputs.stats["plan"]
    return PlanSettings(**{one.name: said[one.name] for one in fields(PlanSettings)})


def _choices(outputs: Outputs, arm: Arm) -> list[Choice]:
    """The final choices that a version was judged on."""
    found = []
    for item in outputs.stats["items"]:
        key = item_key({"set": "facts", "fact_id": item["id"]})
        scored = arm.items.get(key)
        if scored is None or not set(item["choices"]) <= set(scored.candidates):
            continue
        columns = [list(scored.candidates).index(text) for text in item["choices"]]
        found.append(
            Choice(
                key=key, fact=_fact(item), part=item["part"], texts=tuple(item["choices"]),
                columns=tuple(columns), gold=item["gold"], seen_docs=item["seen_docs"],
            )
        )  # fmt: skip
    return found


def _fact(item: Mapping[str, Any]) -> Fact:
    """As much of a fact as comparing looks at."""
    return Fact(
        fact_id=item["id"], disease=item["disease"], relation=item["relation"],
        answer=item["choices"][item["gold"]], disease_synonyms=[], answer_synonyms=[],
        also_true=[], strength="", source_org="", source_title="", source_year="", verified="",
    )  # fmt: skip


def _scores(outputs: Outputs, arm: Arm, cloze: list[Choice], edited: Edited) -> ArmScores:
    """Scores of one version; key points as published, clinicians' overrides in them."""
    scored = arm_scores.score(arm, Selection(cloze, [], []), _questions(outputs), (), {})
    recall = {
        row["id"]: row["arms"][outputs.arm]["recall"]
        for row in outputs.stats["answers"]
        if row["id"] not in edited.key_points
        and row["arms"].get(outputs.arm, {}).get("recall") is not None
    }
    bits = {k: v for k, v in scored.answers.ref_bpb.items() if k not in edited.references}
    return replace(scored, answers=replace(scored.answers, keypoint_recall=recall, ref_bpb=bits))


def _questions(outputs: Outputs) -> list[Question]:
    return [
        Question(
            row["id"], row["category"], row["difficulty"], row["question"],
            reference_answer=row.get("reference_answer"),
        )
        for row in outputs.stats["answers"]
    ]  # fmt: skip


def _notes(first: Outputs, second: Outputs, pair: Pair, n_choices: int) -> list[str]:
    """What a reader must know beside the numbers."""
    notes = []
    if first.stats["plan"]["sha256"] != second.stats["plan"]["sha256"]:
        notes.append("the versions were planned differently; the second one's plan decides")
    if pair.base.precision != pair.arm.precision:
        notes.append(f"precision differs: {pair.base.precision} and {pair.arm.precision}")
    both = pair.base.prompts.keys() & pair.arm.prompts.keys()
    n_other = sum(pair.base.prompts[key] != pair.arm.prompts[key] for key in both)
    if n_other:
        notes.append(f"{n_other} prompts differ: another template or another wording")
    n_lost = len(second.stats["items"]) - n_choices
    n_lost += sum(choice.key not in pair.base_scores.correct for choice in pair.choices)
    if n_lost:
        notes.append(f"{n_lost} closed items were not put to both with the same candidates")
    n_open = len(pair.base.answers.keys() ^ pair.arm.answers.keys())
    if n_open:
        notes.append(f"{n_open} open questions were put to one of them only")
    return notes

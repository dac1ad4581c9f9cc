"""From raw results to results/stats.json: arms, comparisons, verdicts, items, answers.

Invariant: a pure function of its inputs, free of times; floats are unrounded, the writer rounds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from titer.config import PlanSettings
from titer.evaluation import (
    arm_scores,
    arms,
    choices,
    comparing,
    gates,
    open_answers,
    reviews,
    safety,
    verdict,
)
from titer.evaluation.arm_scores import ArmScores, Selection
from titer.evaluation.arms import BASE_OF, Arm, ArmInput
from titer.evaluation.choices import SEEN, Choice
from titer.evaluation.comparing import Block, Pair
from titer.evaluation.open_answers import Overrides
from titer.evaluation.reviews import Review
from titer.evaluation.seen import Corpus
from titer.evaluation.statistics import Interval, holm
from titer.evaluation.verdict import Retention
from titer.records import Fact, Question

SCHEMA_VERSION = 1


def score(
    inputs: Mapping[str, ArmInput],
    *,
    facts: Sequence[Fact],
    questions: Sequence[Question],
    corpus: Corpus,
    plan: PlanSettings,
    plan_sha256: str,
    training: Mapping[str, Mapping[str, Any]],
    contamination: Mapping[str, Any],
    lexicon: Sequence[str] = (),
    entities: Sequence[str] = (),
    safety_items: Sequence[Question] = (),
    reviewed: Sequence[Review] = (),
) -> dict[str, Any]:
    """Content of stats.json.

    Args:
        inputs: results of base, qlora and full; an arm that did not run says so in its run record.
        facts: all facts of the domain.
        questions: open questions that were asked.
        corpus: counts of the training examples, from which seen and unseen follow.
        plan: what was promised before training.
        plan_sha256: its identity, compared with what the stages recorded.
        training: by fine-tune, `{metrics, run}` of its training stage.
        contamination: content of contamination.json.
        lexicon: words of the domain, counted in answers.
        entities: relations whose answers are things, such as drugs.
        safety_items: that were asked; no verdict looks at them.
        reviewed: clinicians' verdicts on key points.

    Raises:
        FormatError: a review names a key point that its question does not have.
        DataError: the base model has no results, or they do not fit the fact table.
    """
    ran, reasons = arms.split(inputs)
    seen_docs = corpus.seen_docs
    selection, excluded, n_dev = _select(ran["base"], facts, seen_docs)
    overrides, opinions = reviews.resolve(reviewed, [*questions, *safety_items], ran)
    scored = {
        name: arm_scores.score(arm, selection, questions, lexicon, overrides)
        for name, arm in ran.items()
    }
    pairs = _pairs(ran, scored, selection, plan)
    compared = _compare(pairs, questions, contamination)
    for name, block in compared.items():
        block["bpb_indomain"] = _indomain(training.get(name, {}))
    return {
        "schema_version": SCHEMA_VERSION,
        "arms": _arm_blocks(ran, scored, reasons),
        "comparisons": compared | _not_compared(compared, reasons),
        "quantisation": _quantisation(ran, scored, selection, plan),
        "items": _items(selection.cloze, scored),
        "answers": _answers(questions, ran, scored, overrides),
        "safety": safety.score(
            {name: arm for name, arm in ran.items() if name != arms.FEW_SHOT},
            questions,
            safety_items,
            facts,
            overrides,
            relations=entities,
            level=1 - plan.alpha,
        ),
        "reviews": opinions,
        "plan": asdict(plan)
        | {
            "sha256": plan_sha256,
            "changed_after_training": _changed(plan_sha256, inputs, training),
        },
        "excluded_items": excluded,
        "contaminated_items": _contaminated(contamination),
        "counts": _counts(facts, questions, corpus, selection)
        | {"dev_items": n_dev, "ood_texts": len(ran["base"].texts)},
    }


def _select(
    base: Arm, facts: Sequence[Fact], seen_docs: Mapping[str, int]
) -> tuple[Selection, dict[str, int], int]:
    """Final choices of the test part, why items left, and the number of items in dev."""
    found, too_few = choices.choose(base.of("facts"), facts, seen_docs)
    others = [
        choices.choose(base.of("facts", direction, form), facts, seen_docs)[0]
        for direction, form in (("reverse", "cloze"), ("forward", "letter"))
    ]
    cloze, reverse, letter = ([c for c in group if c.part == "test"] for group in (found, *others))
    excluded = {
        "fewer_than_three_distractors": sum(
            base.items[key].row.get("part", "test") == "test" for key in too_few
        ),
        "without_likelihoods": len(base.broken),
        "not_asked": len(seen_docs) - len(base.of("facts")) - len(_broken_facts(base)),
    }
    return Selection(cloze, reverse, letter), excluded, len(found) - len(cloze)


def _broken_facts(base: Arm) -> list[str]:
    return [key for key in base.broken if key.endswith(":forward:cloze")]


def _pairs(
    ran: Mapping[str, Arm],
    scored: Mapping[str, ArmScores],
    selection: Selection,
    plan: PlanSettings,
) -> dict[str, Pair]:
    return {
        name: Pair(ran[base], ran[name], scored[base], scored[name], selection.cloze, plan)
        for name, base in BASE_OF.items()
        if base in ran and name in ran
    }


def _compare(
    pairs: Mapping[str, Pair], questions: Sequence[Question], contamination: Mapping[str, Any]
) -> dict[str, Block]:
    """Blocks, gates and verdicts, with Holm's correction over the planned arms that ran."""
    found = {name: comparing.blocks(pair) for name, pair in pairs.items()}
    pvalues = {
        name: block["primary"]["p"]
        for name, block in found.items()
        if block["primary"] and name in pairs[name].plan.family
    }
    adjusted = holm(pvalues)
    compared = {}
    for name, pair in pairs.items():
        block = found[name]
        if block["primary"]:
            block["primary"]["p_holm"] = adjusted.get(name, block["primary"]["p"])
        else:
            block["primary"] = {"endpoint": pair.plan.primary, "n": 0}
        checks = gates.check(pair, block, questions, contamination)
        head = {"arm": name, "base": pair.base.name, "status": "ok", "reason": None}
        compared[name] = head | block | _decided(block, checks, pair.plan)
    return compared


def _decided(block: Block, checks: Sequence[verdict.Gate], plan: PlanSettings) -> Block:
    found = block["primary"]
    primary = verdict.primary_of(found, found["p_holm"]) if found["n"] else None
    decided = verdict.decide(primary, checks, plan)
    return {
        "gates": [asdict(gate) for gate in checks],
        "verdict": decided,
        "verdict_number": verdict.NUMBERS[decided],
        "sentence": verdict.sentence(decided, primary, checks, plan),
        "retention_sentence": verdict.retention_sentence(_retention(block), plan),
    }


def _interval(block: Block, estimate: str) -> Interval:
    return Interval(block[estimate], block["low"], block["high"])


def _retention(block: Block) -> Retention:
    general, texts = block["general"], block["bpb_ood"]
    return Retention(
        n=general["n"] if general else 0,
        base=general["base"] if general else 0.0,
        accuracy=_interval(general, "delta") if general else None,
        measurable=bool(general and general["measurable"]),
        kept_answers=bool(general and general["non_inferior"]),
        bits=_interval(texts, "ratio") if texts else None,
        kept_texts=bool(texts and texts["non_inferior"]),
    )


def _not_compared(compared: Mapping[str, Block], reasons: Mapping[str, str]) -> dict[str, Block]:
    return {
        name: {
            "arm": name,
            "base": base,
            "status": "not_run",
            "reason": reasons[name] if name in reasons else reasons[base],
        }
        for name, base in BASE_OF.items()
        if name not in compared
    }


def _indomain(training: Mapping[str, Any]) -> Block | None:
    """Bits per byte of held-out papers, as the training stage measured them."""
    found = training.get("metrics") or {}
    before, after = found.get("bpb_indomain_before"), found.get("bpb_indomain_after")
    if before is None or after is None:
        return None
    return {"before": before, "after": after, "n": found.get("n_heldout_papers")}


def _arm_blocks(
    ran: Mapping[str, Arm], scored: Mapping[str, ArmScores], reasons: Mapping[str, str]
) -> dict[str, Block]:
    blocks: dict[str, Block] = {
        name: {
            "status": "ok",
            "precision": arm.precision,
            "metrics": scored[name].metrics,
            "by_relation": scored[name].by_relation,
            "descriptive": scored[name].descriptive,
        }
        for name, arm in ran.items()
    }
    missing = {name: {"status": "not_run", "reason": reason} for name, reason in reasons.items()}
    return blocks | missing


def _quantisation(
    ran: Mapping[str, Arm],
    scored: Mapping[str, ArmScores],
    selection: Selection,
    plan: PlanSettings,
) -> Block:
    """The effect of 4-bit weights alone: base_4bit against base."""
    if "base_4bit" not in ran:
        return {"status": "not_run", "reason": "the base model was not measured in 4 bits"}
    names = ("base", "base_4bit")
    (base, arm), (one, other) = (ran[n] for n in names), (scored[n] for n in names)
    pair = Pair(base, arm, one, other, selection.cloze, plan)
    block = comparing.primary(pair) or {"endpoint": plan.primary, "n": 0}
    return {"arm": "base_4bit", "base": "base", "status": "ok", "reason": None} | block


def _items(cloze: Sequence[Choice], scored: Mapping[str, ArmScores]) -> list[Block]:
    return [
        {
            "id": choice.fact.fact_id,
            "disease": choice.fact.disease,
            "relation": choice.fact.relation,
            "class": choice.group,
            "seen_docs": choice.seen_docs,
            "part": choice.part,
            "choices": list(choice.texts),
            "gold": choice.gold,
            "arms": {
                name: scores.rows[choice.key]
                for name, scores in scored.items()
                if choice.key in scores.rows
            },
        }
        for choice in cloze
    ]


def _answers(
    questions: Sequence[Question],
    ran: Mapping[str, Arm],
    scored: Mapping[str, ArmScores],
    overrides: Overrides,
) -> list[Block]:
    rows = []
    for question in questions:
        found = {
            name: open_answers.detail(question, arm, scored[name].answers, overrides)
            for name, arm in ran.items()
        }
        rows.append(
            {
                "id": question.id,
                "category": question.category,
                "difficulty": question.difficulty,
                "question": question.question,
                "reference_answer": question.reference_answer,
                "arms": {name: row for name, row in found.items() if row is not None},
            }
        )
    return rows


def _changed(
    plan_sha256: str,
    inputs: Mapping[str, ArmInput],
    training: Mapping[str, Mapping[str, Any]],
) -> bool:
    """Whether a stage recorded another plan than the one that is scored."""
    runs = [arm.run for arm in inputs.values()]
    runs += [found.get("run") or {} for found in training.values()]
    recorded = {run.get("plan_sha256") for run in runs} - {None}
    return bool(recorded - {plan_sha256})


def _contaminated(contamination: Mapping[str, Any]) -> int:
    """Benchmark items that training data still hold."""
    return len({str(row["item_id"]) for row in contamination.get("remaining", ())})


def _counts(
    facts: Sequence[Fact],
    questions: Sequence[Question],
    corpus: Corpus,
    selection: Selection,
) -> dict[str, int]:
    return {
        "facts": len(facts),
        "facts_from_memory": sum(fact.verified == "memory" for fact in facts),
        "diseases": len({fact.disease for fact in facts}),
        "relations": len({fact.relation for fact in facts}),
        "test_items": len(selection.cloze),
        "seen_test_items": sum(choice.group == SEEN for choice in selection.cloze),
        "open_questions": len(questions),
        "open_without_key_points": sum(not question.key_points for question in questions),
        "open_without_reference": sum(not question.reference_answer for question in questions),
        "training_examples": corpus.n_examples,
        "training_papers": corpus.n_papers,
        "seeds": 1,
    }

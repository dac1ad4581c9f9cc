"""What the report prints is what the metric modules find: whole arms, items and safety alike."""

from typing import Any

import pytest

from tests.evaluation import domains
from tests.evaluation import made_up as m
from tests.evaluation.test_safety import ENTITIES, FACTS, RELATIONS
from titer.evaluation import metrics, open_answers, questions, safety
from titer.evaluation.arms import Arm

BENCHMARK = domains.BENCHMARKS / "autoimmune"
OPEN = questions.load_questions(BENCHMARK / "open.jsonl")
SAFETY = questions.load_questions(BENCHMARK / "safety.jsonl")
ABSTAINS = "I am not aware of it and cannot answer."
CORE = [question for question in OPEN if question.type == safety.CORE]
INVENTED = [item for item in SAFETY if safety.is_invented(item)]


@pytest.fixture(scope="module")
def base() -> dict[str, Any]:
    """The base of a run: good answers, stuffed ones, a cut one, an empty one."""
    asked = [question for question in OPEN if question.key_points][:8]
    texts = [question.reference_answer or "" for question in asked]
    texts[1] = " ".join(p for n in asked[1].must_not for group in n["any_of"] for p in group)
    texts[2] = ""
    more = {"ref_logprob": -80.0, "ref_bytes": 100}
    answers = [m.answer(q, text, **more) for q, text in zip(asked, texts, strict=True)]
    answers[3].finish_reason = "length"
    stats = m.run_score(base=m.base_input(answers=answers), questions=asked, lexicon=["lupus"])
    arm = stats["arms"]["base"]
    marks = [row["arms"]["base"] for row in stats["items"]]
    rows = [row["arms"]["base"] for row in stats["answers"]]
    return {"arm": arm, "asked": asked, "texts": texts, "answers": answers,
            "marks": marks, "rows": rows}  # fmt: skip


@pytest.mark.parametrize(
    ("metric", "marks", "key"),
    [
        ("closed_acc", "marks", "correct"),
        ("gold_prob", "marks", "gold_prob"),
        ("keypoint_recall", "rows", "recall"),
        ("rubric_score", "rows", "rubric"),
        ("rouge_l", "rows", "rouge_l"),
        ("token_f1", "rows", "token_f1"),
    ],
)
def test_the_figure_of_an_arm_is_the_mean_of_its_items(
    base: dict[str, Any], metric: str, marks: str, key: str
) -> None:
    values = [row[key] for row in base[marks]]
    assert base["arm"]["metrics"][metric] == pytest.approx(sum(values) / len(values))


def test_the_rubric_module_counts_the_marks_that_are_shown(base: dict[str, Any]) -> None:
    rubrics = [
        open_answers.rubric(question, text, {})
        for question, text in zip(base["asked"], base["texts"], strict=True)
    ]
    found = metrics.compute("rubric_score", base["texts"], rubrics)
    for name in ("must_not", "critical_missed"):
        shown = sum(len(row[name]) for row in base["rows"])
        assert found[name if name == "critical_missed" else "must_not_hits"] == shown
        assert shown > 0, name
    assert found["rubric_score"] == pytest.approx(base["arm"]["metrics"]["rubric_score"])


def test_flags_and_looks_are_the_modules(base: dict[str, Any]) -> None:
    flags = [",".join(open_answers.flags(answer)) for answer in base["answers"]]
    quality = metrics.compute("answer_quality", base["texts"], flags)
    assert (quality["truncated_rate"], quality["empty_rate"]) == (1 / 8, 1 / 8)
    shown = base["arm"]["metrics"] | {"repetition": base["arm"]["descriptive"]["repetition_mean"]}
    assert quality == {name: pytest.approx(shown[name]) for name in quality}
    looks = [metrics.look_text(text, ["lupus"]) for text in base["texts"]]
    found = metrics.compute("answer_description", base["texts"], looks)
    assert base["arm"]["descriptive"].items() >= {f"{k}_mean": v for k, v in found.items()}.items()


@pytest.fixture(scope="module")
def judged() -> tuple[Arm, dict[str, Any]]:
    """An arm that refuses a core question, believes in an invented disease, and what is said."""
    foreign = ENTITIES[0].names[0]
    texts = {q.id: q.reference_answer or "" for q in (*OPEN, *SAFETY)}
    texts |= {CORE[0].id: ABSTAINS, CORE[1].id: ABSTAINS, INVENTED[0].id: f"Give {foreign}."}
    texts |= {item.id: ABSTAINS for item in INVENTED[1:]}
    answers = {q.id: [m.answer(q, texts[q.id])] for q in (*OPEN, *SAFETY)}
    arm = Arm("base", "float32", {}, answers=answers)
    found = safety.score(
        {"base": arm}, OPEN, SAFETY, FACTS, {}, relations=RELATIONS["autoimmune"], level=0.95
    )
    return arm, found["arms"]["base"]


def text_of(arm: Arm, key: str) -> str:
    return open_answers.final(arm.answers[key][0])


def test_abstention_is_the_modules(judged: tuple[Arm, dict[str, Any]]) -> None:
    arm, rates = judged
    due = [*((item.id, 1) for item in INVENTED), *((question.id, 0) for question in CORE)]
    found = metrics.compute(
        "abstention", [text_of(arm, key) for key, _ in due], [d for _, d in due]
    )
    assert found == {name: pytest.approx(rates[name]["rate"]) for name in found}
    assert found["over_refusal_rate"] == 2 / len(CORE)
    assert found["abstain_rate"] == pytest.approx(1 - 1 / len(INVENTED))


def test_foreign_entities_are_the_modules(judged: tuple[Arm, dict[str, Any]]) -> None:
    arm, rates = judged
    watch = {q.id: safety.watched(q, ENTITIES, FACTS) for q in (*OPEN, *INVENTED)}
    counted = [key for key, entities in watch.items() if entities]
    names = ["\n".join(name for e in watch[key] for name in e.names) for key in counted]
    found = metrics.compute("hallucinated_entities", [text_of(arm, key) for key in counted], names)
    assert found["hallucinated_entity_rate"] == rates["hallucinated_entity_rate"]["rate"] > 0

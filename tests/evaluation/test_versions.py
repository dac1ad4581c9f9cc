"""Two versions of a fine-tune, paired on the same questions."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from tests.evaluation import made_up as m
from titer.errors import DataError
from titer.evaluation import versions
from titer.evaluation.statistics import exact_mcnemar, newcombe_interval
from titer.evaluation.versions import Outputs
from titer.records import Answer


def outputs(knows: m.Knows = m.gains, **settings: Any) -> Outputs:
    """A judged fine-tune."""
    base, arm = m.base_input(), m.tuned("qlora", knows)
    stats = m.run_score(arm, base=base, **settings)
    return Outputs("qlora", {"base": base, "qlora": arm}, stats)


@pytest.fixture(scope="module")
def old() -> Outputs:
    """One that helped."""
    return outputs()


def test_the_difference_is_paired_by_question(old: Outputs) -> None:
    """By hand from who knew what: Newcombe's interval and the exact test on the same cells."""
    other = m.knows_share(0.45, "another")
    second = outputs(other)
    found = versions.compare(old, second)["blocks"]["primary"]
    asked = {row["id"] for row in second.stats["items"]}
    knew = {item.fact_id: (other(item), m.gains(item)) for item in m.ITEMS}
    cells = [knew[key] for key in asked]
    both, only_new, only_old = (
        cells.count(cell) for cell in ((True, True), (True, False), (False, True))
    )
    ends = newcombe_interval(both, only_new, only_old, len(cells) - both - only_new - only_old)
    assert (found["both"], found["only_new"], found["only_base"]) == (both, only_new, only_old)
    assert (found["low"], found["high"]) == pytest.approx((ends.low, ends.high))
    assert found["p"] == exact_mcnemar(only_new, only_old)


@pytest.mark.parametrize(
    ("first", "second", "decision"),
    [
        (m.BASE, m.gains, versions.NEWER_BETTER),
        (m.gains, m.BASE, versions.NEWER_WORSE),
        (m.gains, m.gains, versions.EQUAL),
        (m.knows_share(0.5, "a"), m.knows_share(0.5, "b"), versions.CANNOT_TELL),
    ],
    ids=["better", "worse", "the same", "noise"],
)
def test_the_decision_follows_the_interval(first: m.Knows, second: m.Knows, decision: str) -> None:
    assert versions.compare(outputs(first), outputs(second))["decision"] == decision


def test_both_are_scored_on_the_choices_of_the_second(old: Outputs) -> None:
    """Other training papers make other distractors fair: the same likelihoods, other choices."""
    fewer = m.make_examples(m.FACTS, lambda fact: int(fact.fact_id[1:4]) % 2)
    new = outputs(examples=fewer)
    assert [i["choices"] for i in old.stats["items"]] != [i["choices"] for i in new.stats["items"]]
    found = versions.compare(old, new)["blocks"]["primary"]
    assert found["delta"] == 0 and found["only_new"] == found["only_base"] == 0
    assert found["n"] == len(new.stats["items"])


def test_what_else_differs_is_said(old: Outputs) -> None:
    other = outputs(plan_sha256="another")
    for row in other.inputs["qlora"].closed:
        row["prompt_sha256"] = "another template"
    notes = versions.compare(old, other)["notes"]
    assert notes[0] == "the versions were planned differently; the second one's plan decides"
    assert notes[1].endswith("prompts differ: another template or another wording")
    assert len(notes) == 2


def test_a_benchmark_that_grew_leaves_the_shared_questions_and_says_so(old: Outputs) -> None:
    rows = [row for row in old.inputs["qlora"].closed if row.get("fact_id") != "F000m"]
    fewer = m.arm_input("qlora", rows, [m.answer(m.question(), "ANA")])
    found = versions.compare(Outputs("qlora", {**old.inputs, "qlora": fewer}, old.stats), old)
    assert found["notes"] == [
        "1 closed items were not put to both with the same candidates",
        "1 open questions were put to one of them only",
    ]
    assert found["decision"] == versions.EQUAL
    assert found["blocks"]["primary"]["n"] == len(old.stats["items"]) - 1


def edit_general(version: Outputs) -> None:
    for row in version.inputs["qlora"].closed:
        if row["set"] == "general" and row["id"] != "G000":
            row["candidates"] = [*row["candidates"][:-1], "easier"]


def edit_texts(version: Outputs) -> None:
    for row in version.inputs["qlora"].closed:
        if row["set"] == "text" and row["id"] < "T02":
            row["n_bytes"] *= 3
            row["ll"] = [row["ll"][0] * 2]


def edit_references(version: Outputs) -> None:
    for row in version.stats["answers"][1:]:
        row["reference_answer"] = "an easier reference"
    for answer in version.inputs["qlora"].answers:
        answer.ref_logprob = -1.0


def edit_key_points(version: Outputs) -> None:
    for row in version.stats["answers"][1:]:
        row["arms"]["qlora"] |= {
            "recall": 1.0,
            "key_points": [{"id": "k1", "text": "an easier one"}],
        }


@pytest.mark.parametrize(
    ("edit", "block", "n", "note"),
    [
        (edit_general, "general", 1, "199 general items have other candidates and were left out"),
        (edit_texts, "bpb_ood", 18, "2 general texts have another length and were left out"),
        (edit_references, "ref_bpb", 0, "3 questions have another reference answer and were left"),
        (edit_key_points, "keypoint_recall", 0, "3 questions have other key points and were left"),
    ],
    ids=["general", "texts", "references", "key points"],
)
def test_what_the_versions_were_asked_differently_is_left_out_and_counted(
    edit: Callable[[Outputs], None], block: str, n: int, note: str
) -> None:
    """One model with the same answers is not better because its benchmark was made easier."""
    asked = [m.question(number) for number in range(1, 5)]
    said = [m.answer(q, "ANA", precision="nf4", ref_logprob=-80.0, ref_bytes=100) for q in asked]

    def version() -> Outputs:
        base, arm = m.base_input(answers=said), m.tuned("qlora", m.gains, answers=deepcopy(said))
        return Outputs(
            "qlora", {"base": base, "qlora": arm}, m.run_score(arm, base=base, questions=asked)
        )

    first, second = version(), version()
    whole = versions.compare(first, second)
    edit(second)
    found = versions.compare(first, second)
    left = found["blocks"][block]
    assert (left["n"] if left else 0) == n < whole["blocks"][block]["n"]
    assert left is None or (left.get("delta", 0) == 0 and left.get("ratio", 1) == 1)
    assert len(found["notes"]) == 1 and found["notes"][0].startswith(note)


def test_a_likelihood_that_is_no_number_makes_it_invalid(old: Outputs) -> None:
    rows = [dict(row) for row in old.inputs["qlora"].closed]
    rows[0]["ll"] = [None] * len(rows[0]["ll"])
    broken = m.arm_input("qlora", rows)
    found = versions.compare(old, Outputs("qlora", {**old.inputs, "qlora": broken}, old.stats))
    assert found["decision"] == versions.INVALID
    assert [gate["name"] for gate in found["gates"] if gate["failed"]] == ["likelihoods"]


def test_a_reference_without_likelihood_makes_its_endpoint_invalid() -> None:
    asked = [m.question(number) for number in range(1, 5)]
    said = [m.answer(q, "ANA", precision="nf4", ref_logprob=-80.0, ref_bytes=100) for q in asked]
    base = m.base_input(answers=said)
    plan = replace(m.PLAN, primary="ref_bpb")

    def version(answers: list[Answer]) -> Outputs:
        arm = m.tuned("qlora", m.gains, answers=answers)
        inputs = {"base": base, "qlora": arm}
        return Outputs("qlora", inputs, m.run_score(arm, base=base, questions=asked, plan=plan))

    whole = version(said)
    lost = version([*said[:3], replace(said[3], ref_logprob=None)])
    assert versions.compare(whole, whole)["decision"] == versions.CANNOT_TELL  # four are too few
    found = versions.compare(whole, lost)
    assert found["decision"] == versions.INVALID
    assert "first Q004 of qlora" in found["gates"][0]["detail"]


def test_a_fine_tune_that_did_not_run_is_one_line(old: Outputs) -> None:
    gone = Outputs("qlora", {**old.inputs, "qlora": m.not_run("qlora", "too large")}, old.stats)
    with pytest.raises(DataError, match=r"^qlora: too large; there is nothing to compare$"):
        versions.compare(gone, old)

"""Two versions of a fine-tune, paired on the same questions."""

from typing import Any

import pytest

from tests.evaluation import made_up as m
from titer.errors import DataError
from titer.evaluation import versions
from titer.evaluation.statistics import exact_mcnemar, newcombe_interval
from titer.evaluation.versions import Outputs


def outputs(knows: m.Knows = m.gains, **more: Any) -> Outputs:
    """A judged fine-tune."""
    settings = {name: more.pop(name) for name in ("examples", "plan_sha256") if name in more}
    arm = m.tuned("qlora", knows, **more)
    base = m.base_input()
    stats = m.run_score(arm, base=base, **settings)
    return Outputs("qlora", {"base": base, "qlora": arm}, stats)


def test_the_difference_is_paired_by_question() -> None:
    """By hand from who knew what: Newcombe's interval and the exact test on the same cells."""
    other = m.knows_share(0.45, "another")
    second = outputs(other)
    found = versions.compare(outputs(), second)["blocks"]["primary"]
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


def test_both_are_scored_on_the_choices_of_the_second() -> None:
    """Other training papers make other distractors fair: the same likelihoods, other choices."""
    fewer = m.make_examples(m.FACTS, lambda fact: int(fact.fact_id[1:4]) % 2)
    old, new = outputs(), outputs(examples=fewer)
    assert [i["choices"] for i in old.stats["items"]] != [i["choices"] for i in new.stats["items"]]
    found = versions.compare(old, new)["blocks"]["primary"]
    assert found["delta"] == 0 and found["only_new"] == found["only_base"] == 0
    assert found["n"] == len(new.stats["items"])


def test_what_else_differs_is_said() -> None:
    other = outputs(plan_sha256="another")
    for row in other.inputs["qlora"].closed:
        row["prompt_sha256"] = "another template"
    notes = versions.compare(outputs(), other)["notes"]
    assert notes[0] == "the versions were planned differently; the second one's plan decides"
    assert notes[1].endswith("prompts differ: another template or another wording")
    assert len(notes) == 2


def test_items_that_only_one_answered_are_counted_and_make_it_invalid() -> None:
    first = outputs()
    rows = [row for row in first.inputs["qlora"].closed if row.get("fact_id") != "F000m"]
    fewer = m.arm_input("qlora", rows)
    first = Outputs("qlora", {"base": first.inputs["base"], "qlora": fewer}, first.stats)
    found = versions.compare(first, outputs())
    assert found["notes"] == ["1 closed items were not put to both with the same candidates"]
    assert found["decision"] == versions.INVALID
    assert [gate["name"] for gate in found["gates"] if gate["failed"]] == ["items"]
    assert found["blocks"]["primary"]["n"] == len(first.stats["items"]) - 1


def test_a_fine_tune_that_did_not_run_is_one_line() -> None:
    old = outputs()
    gone = Outputs("qlora", {**old.inputs, "qlora": m.not_run("qlora", "too large")}, old.stats)
    with pytest.raises(DataError, match=r"^qlora: too large; there is nothing to compare$"):
        versions.compare(gone, old)

"""Known outcomes give known verdicts: the scorer against models whose answers we made up."""

import math

import pytest

from tests.evaluation import made_up as m
from titer.evaluation import score_tables, scoring
from titer.evaluation.items import stated
from titer.evaluation.seen import corpus


@pytest.mark.parametrize(
    ("knows", "expected"),
    [(lambda item: True, 1.0), (lambda item: False, 0.0)],
    ids=["oracle", "anti-oracle"],
)
def test_oracle_gets_everything_and_anti_oracle_nothing(knows, expected):
    stats = m.run_score(base=m.base_input(knows, general=2.0 * expected))
    metrics = stats["arms"]["base"]["metrics"]
    for name in ("closed_acc", "closed_acc_seen", "closed_acc_unseen", "general_acc"):
        assert metrics[name] == expected, name
    assert metrics["closed_acc_norm"] == expected


def test_uniform_scores_are_ties_and_ties_are_wrong():
    closed = m.rows(m.ITEMS, m.BASE, "float32")
    for row in closed:
        row["ll"] = [-3.0] * len(row["ll"])
    metrics = m.run_score(base=m.arm_input("base", closed))["arms"]["base"]["metrics"]
    assert metrics["closed_acc"] == 0
    assert metrics["gold_prob"] == pytest.approx(0.25)
    assert metrics["brier"] == pytest.approx(0.75)


def test_a_model_that_always_takes_the_first_candidate_is_at_chance():
    closed = m.rows(m.ITEMS, m.BASE, "float32")
    for row in closed:
        row["ll"] = [-float(index) for index in range(len(row["ll"]))]
    metrics = m.run_score(base=m.arm_input("base", closed))["arms"]["base"]["metrics"]
    se = math.sqrt(0.25 * 0.75 / metrics["n_closed"])
    assert abs(metrics["closed_acc"] - 0.25) < 3 * se


def test_an_oracle_with_permuted_scores_is_at_chance():
    closed = m.rows(m.ITEMS, lambda item: True, "float32")
    for row in closed:
        by_hash = sorted(zip(row["ll"], row["candidates"], strict=True), key=lambda pair: m.chance(
            row["fact_id"], *pair
        ))  # fmt: skip
        row["ll"] = [score for score, _ in by_hash]
    metrics = m.run_score(base=m.arm_input("base", closed))["arms"]["base"]["metrics"]
    se = math.sqrt(0.25 * 0.75 / metrics["n_closed"])
    assert abs(metrics["closed_acc"] - 0.25) < 3 * se


def test_a_model_against_itself_is_equivalent_with_difference_zero():
    stats = m.run_score(m.tuned("qlora", m.BASE), m.tuned("full", m.BASE))
    for arm in ("qlora", "full"):
        block = stats["comparisons"][arm]
        assert block["primary"]["delta"] == 0
        assert block["primary"]["p"] == 1
        assert block["bpb_ood"]["ratio"] == 1
        assert (block["verdict"], block["verdict_number"]) == ("equivalent", 0)
    assert stats["quantisation"]["delta"] == 0


def test_a_planted_gain_on_stated_facts_is_found_and_called_helped():
    stats = m.run_score(m.tuned("qlora", m.gains))
    block = stats["comparisons"]["qlora"]
    assert block["base"] == "base_4bit"
    assert block["verdict"] == "helped"
    assert block["seen"]["low"] > 0.2
    assert block["unseen"]["delta"] == 0
    assert block["dose_trend"]["low"] > 0
    assert [row["bin"] for row in block["dose"]] == ["0", "1-2"]
    assert block["sentence"].startswith("This checkpoint is better than its base")
    assert f"{block['primary']['n']} facts" in block["sentence"]


def test_a_planted_loss_is_called_hurt():
    stats = m.run_score(m.tuned("qlora", lambda item: False))
    assert stats["comparisons"]["qlora"]["verdict"] == "hurt"
    assert stats["comparisons"]["qlora"]["verdict_number"] == -1


def test_forgetting_is_reported_beside_a_gain():
    stats = m.run_score(m.tuned("qlora", m.gains, general=0.5, factor=3.9))
    block = stats["comparisons"]["qlora"]
    assert block["verdict"] == "helped"
    assert not block["general"]["non_inferior"]
    assert not block["bpb_ood"]["non_inferior"]
    assert block["bpb_ood"]["ratio"] == pytest.approx(3.9)
    assert block["retention_sentence"].count("FORGETTING") == 2


def test_retention_is_not_measurable_where_the_base_is_at_chance():
    stats = m.run_score(m.tuned("qlora", m.BASE, general=0.25), base=m.base_input(general=0.25))
    block = stats["comparisons"]["qlora"]
    assert block["general"]["measurable"] is False
    assert "not measurable" in block["retention_sentence"]


def test_an_arm_that_did_not_run_keeps_its_reason_and_has_no_rows():
    stats = m.run_score(m.tuned("qlora", m.gains))
    assert stats["arms"]["full"] == {"status": "not_run", "reason": "does not fit into 16 GiB"}
    assert stats["comparisons"]["full"]["status"] == "not_run"
    assert stats["comparisons"]["full"]["reason"] == "does not fit into 16 GiB"
    assert set(score_tables.metrics_rows(stats)) == {"base", "qlora", "qlora_vs_base", "gates"}
    primary = stats["comparisons"]["qlora"]["primary"]
    assert primary["p_holm"] == primary["p"]


def test_holm_covers_the_arms_that_ran():
    stats = m.run_score(m.tuned("qlora", m.gains), m.tuned("full", m.BASE))
    primary = stats["comparisons"]["qlora"]["primary"]
    assert primary["p_holm"] == pytest.approx(2 * primary["p"])
    assert stats["comparisons"]["full"]["primary"]["p_holm"] == 1


def test_few_items_are_inconclusive_whatever_they_say():
    few = {f.fact_id for f in m.FACTS[:48]}
    items = [item for item in m.ITEMS if item.fact_id in few]
    inputs = {
        "base": m.arm_input("base", m.rows(items, m.BASE, "nf4") + m.rows(items, m.BASE, "")),
        "qlora": m.arm_input("qlora", m.rows(items, m.gains, "nf4")),
    }
    stats = scoring.score(
        inputs, facts=m.FACTS, questions=[], corpus=corpus(m.FACTS, m.EXAMPLES), plan=m.PLAN,
        plan_sha256="x",
        training={}, contamination={},
    )  # fmt: skip
    block = stats["comparisons"]["qlora"]
    assert block["primary"]["n"] < 50
    assert stats["excluded_items"]["not_asked"] == len(m.FACTS) - 48
    assert block["primary"]["p"] < 0.05
    assert block["verdict"] == "inconclusive"
    assert block["sentence"].startswith("Inconclusive (too few items)")


def test_distractors_are_of_the_right_answers_class():
    stats = m.run_score()
    seen = {f.answer: stated(f.fact_id) for f in m.FACTS}
    for item in stats["items"]:
        assert len({seen[choice] for choice in item["choices"]}) == 1
        assert item["class"] == ("seen" if seen[item["choices"][item["gold"]]] else "unseen")
        assert item["part"] == "test"


def test_items_without_three_distractors_of_their_class_leave_and_are_counted():
    examples = m.make_examples(m.FACTS[:8], lambda fact: 1)
    stats = m.run_score(examples=examples)
    assert stats["excluded_items"]["fewer_than_three_distractors"] > 0
    assert stats["counts"]["seen_test_items"] < 8


def test_a_changed_plan_is_stamped():
    assert not m.run_score()["plan"]["changed_after_training"]
    training = {"qlora": {"metrics": {}, "run": {"plan_sha256": "another"}}}
    assert m.run_score(training=training)["plan"]["changed_after_training"]


def test_held_out_papers_come_from_the_training_record():
    metrics = {"bpb_indomain_before": 1.2, "bpb_indomain_after": 0.9, "n_heldout_papers": 12}
    stats = m.run_score(m.tuned("qlora", m.gains), training={"qlora": {"metrics": metrics}})
    block = stats["comparisons"]["qlora"]["bpb_indomain"]
    assert block == {"before": 1.2, "after": 0.9, "n": 12}


def test_the_range_over_wordings_is_that_of_each_wording_s_accuracy():
    closed = m.rows(m.ITEMS, lambda item: item.id.endswith("q1"), "float32")
    metrics = m.run_score(base=m.arm_input("base", closed))["arms"]["base"]["metrics"]
    assert metrics["prompt_range"] == 1.0
    same = m.run_score(base=m.arm_input("base", m.rows(m.ITEMS, m.gains, "float32")))
    assert same["arms"]["base"]["metrics"]["prompt_range"] == 0.0

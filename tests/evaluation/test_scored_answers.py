"""Free-text answers in the scores, and the files that score writes."""

import dataclasses
import json
import math
import time

import pytest

from tests.evaluation import made_up as m
from titer import files
from titer.evaluation import score_tables

ASKED = [m.question(number) for number in range(1, 11)]
GOOD = [m.answer(q, "Antinuclear antibody, usually.") for q in ASKED]
BAD = [m.answer(q, "It cures lupus.") for q in ASKED]


def test_answers_with_only_the_seven_original_fields_are_scored():
    stats = m.run_score(
        m.tuned("qlora", m.BASE, answers=GOOD), base=m.base_input(answers=BAD), questions=ASKED
    )
    assert stats["arms"]["qlora"]["metrics"]["keypoint_recall"] == 1
    row = stats["answers"][0]["arms"]
    assert row["qlora"]["key_points"][0]["text"] == "ANA"
    start, end = row["qlora"]["key_points"][0]["spans"][0]
    assert row["qlora"]["response"][start:end].lower() == "antinuclear antibody"
    assert row["base"]["must_not"][0]["id"] == "n1"
    assert row["base"]["recall"] == 0


def test_a_question_without_reference_and_points_is_shown_and_counted():
    bare = dataclasses.replace(ASKED[1], reference_answer=None, key_points=[], must_not=[])
    asked = [ASKED[0], bare]
    stats = m.run_score(m.tuned("qlora", m.BASE, answers=GOOD[:2]), questions=asked)
    row = stats["answers"][1]["arms"]["qlora"]
    assert (row["recall"], row["rouge_l"], row["response"]) == (None, None, GOOD[1].response)
    counts = stats["counts"]
    assert (counts["open_questions"], counts["open_without_key_points"]) == (2, 1)
    metrics = stats["arms"]["qlora"]["metrics"]
    assert (metrics["n_open"], metrics["n_keypoint_recall"], metrics["n_rouge_l"]) == (2, 1, 1)
    assert m.failed(stats) == []


@pytest.mark.parametrize("absent", [{}, {"text": None}])
def test_a_point_without_a_text_is_shown_by_its_phrases(absent):
    point = {"id": "k1", "any_of": [["antinuclear", "antibody"], ["ANA"]]} | absent
    asked = dataclasses.replace(ASKED[0], key_points=[point])
    stats = m.run_score(m.tuned("qlora", m.BASE, answers=GOOD[:1]), questions=[asked])
    row = stats["answers"][0]["arms"]["qlora"]["key_points"][0]
    assert row["text"] == "antinuclear and antibody or ANA"


def test_missing_answers_fail_a_gate_and_are_counted():
    stats = m.run_score(m.tuned("qlora", m.gains, answers=GOOD[:7]), questions=ASKED)
    assert m.failed(stats) == ["answers"]
    assert "3 answers are missing or failed, first Q008 of qlora" in json.dumps(stats)


def test_an_unclosed_thought_is_an_empty_answer():
    thinking = m.answer(ASKED[0], "ANA is", reasoning_state="unclosed", finish_reason="length")
    stats = m.run_score(m.tuned("qlora", m.BASE, answers=[thinking, *GOOD[1:]]), questions=ASKED)
    metrics = stats["arms"]["qlora"]["metrics"]
    assert metrics["keypoint_recall"] == pytest.approx(0.9)
    assert metrics["empty_rate"] == metrics["truncated_rate"] == pytest.approx(0.1)
    assert stats["comparisons"]["qlora"]["verdict"] == "equivalent"


def test_truncation_is_a_gate_for_an_endpoint_of_generated_text_only():
    plan = dataclasses.replace(m.PLAN, primary="keypoint_recall")
    cut = [dataclasses.replace(a, finish_reason="length", precision="nf4") for a in GOOD]
    base = [*BAD, *(dataclasses.replace(a, precision="nf4") for a in BAD)]
    more = {"base": m.base_input(answers=base), "questions": ASKED}
    qlora = m.tuned("qlora", m.BASE, answers=cut)
    assert m.failed(m.run_score(qlora, **more)) == []
    assert m.failed(m.run_score(qlora, plan=plan, **more)) == ["truncated"]


def test_samples_are_averaged_within_their_question_first():
    samples = [dataclasses.replace(BAD[0], sample_index=1), *GOOD]
    stats = m.run_score(m.tuned("qlora", m.BASE, answers=samples), questions=ASKED)
    assert stats["arms"]["qlora"]["metrics"]["keypoint_recall"] == pytest.approx(0.95)


def with_reference(answers, logprob, precision):
    return [
        dataclasses.replace(a, ref_logprob=logprob - i, ref_bytes=100, precision=precision)
        for i, a in enumerate(answers)
    ]


def test_likelihood_of_the_references_is_compared_question_by_question():
    base = with_reference(BAD, -80.0, "nf4") + with_reference(BAD, -80.0, "float32")
    qlora = m.tuned("qlora", m.BASE, answers=with_reference(GOOD, -60.0, "nf4"))
    stats = m.run_score(qlora, base=m.base_input(answers=base), questions=ASKED)
    block = stats["comparisons"]["qlora"]["ref_bpb"]
    assert block["n"] == 10
    assert block["delta"] == pytest.approx(-20 / math.log(2) / 100)


@pytest.mark.parametrize("lost", [None, math.nan])
def test_a_reference_without_likelihood_fails_the_gate_of_that_endpoint(lost):
    base = with_reference(BAD, -80.0, "nf4") + with_reference(BAD, -80.0, "float32")
    tuned = with_reference(GOOD, -60.0, "nf4")
    tuned[3].ref_logprob = lost
    more = {"base": m.base_input(answers=base), "questions": ASKED}
    qlora = m.tuned("qlora", m.BASE, answers=tuned)
    assert m.failed(m.run_score(qlora, **more)) == []
    stats = m.run_score(qlora, plan=dataclasses.replace(m.PLAN, primary="ref_bpb"), **more)
    assert m.failed(stats) == ["likelihoods"]
    assert "1 rows hold a likelihood" in json.dumps(stats)
    assert "first Q004 of qlora" in json.dumps(stats)


def test_metrics_are_numbers_in_at_most_45_rows():
    stats = m.run_score(
        m.tuned("qlora", m.gains, answers=GOOD), m.tuned("full", m.gains, answers=GOOD),
        base=m.base_input(answers=BAD), questions=ASKED,
    )  # fmt: skip
    rows = score_tables.metrics_rows(stats)
    values = [value for group in rows.values() for value in group.values()]
    assert 30 < len(values) <= 45
    assert all(type(value) in (int, float) and math.isfinite(value) for value in values)
    assert rows["qlora_vs_base"]["verdict"] == 1
    assert rows["gates"]["failed"] == 0


def test_the_comparison_table_has_one_row_per_arm_and_equal_columns():
    table = score_tables.comparison_table(m.run_score(m.tuned("qlora", m.gains)))
    assert [row["model"] for row in table] == ["base", "base_4bit", "qlora", "full"]
    assert len({tuple(row) for row in table}) == 1
    assert table[2]["verdict"] == "helped"
    assert table[3]["reason"] == "does not fit into 16 GiB"


def test_scoring_twice_gives_the_same_bytes_and_takes_seconds():
    started = time.monotonic()
    dumps = [
        files.dump_json(files.rounded(m.run_score(m.tuned("qlora", m.gains)))) for _ in range(2)
    ]
    assert dumps[0] == dumps[1]
    assert time.monotonic() - started < 20


def test_the_clean_scores_leave_out_the_facts_that_examples_were_about():
    contamination = {"remaining": [], "items": {}}
    stats = m.run_score(m.tuned("qlora", m.gains), contamination=contamination)
    items = [item for item in stats["items"] if "qlora" in item["arms"]]
    wrong = [item["id"] for item in items if not item["arms"]["qlora"]["correct"]]
    assert wrong
    contamination["items"] = {f"{fact_id}:reverse:r1": 2 for fact_id in wrong} | {"Q001": 1}
    scores = score_tables.clean_scores(stats, contamination)
    assert set(scores) == {"base", "base_4bit", "qlora"}
    assert scores["qlora"] == {
        "all": pytest.approx(stats["arms"]["qlora"]["metrics"]["closed_acc"]),
        "clean": 1.0,
        "n_all": len(items),
        "n_clean": len(items) - len(wrong),
    }


def test_without_a_clean_fact_there_is_no_clean_score():
    stats = m.run_score(m.tuned("qlora", m.gains))
    items = {f"{item['id']}:forward:q1": 1 for item in stats["items"]}
    scores = score_tables.clean_scores(stats, {"items": items})["base"]
    assert (scores["clean"], scores["n_clean"]) == (None, 0)
    assert score_tables.clean_scores(stats, {})["base"]["clean"] == scores["all"]

"""A comparison that cannot be trusted is refused by name."""

import math

import pytest

from tests.evaluation import made_up as m
from titer.errors import DataError
from titer.evaluation import score_tables


def test_a_gain_on_unseen_facts_without_a_dose_is_invalid():
    stats = m.run_score(m.tuned("qlora", lambda item: m.BASE(item) or m.LEARNT(item)))
    assert m.failed(stats) == ["unseen"]
    assert stats["comparisons"]["qlora"]["verdict"] == "invalid"


def test_a_rise_without_the_name_of_the_disease_is_invalid():
    arm = m.tuned("qlora", m.gains)
    for row in arm.closed:
        if row["set"] == "facts":
            row["ll_blind"][row["gold"]] = -1.0
    stats = m.run_score(arm)
    assert m.failed(stats) == ["blind"]


def test_a_planted_leak_is_invalid():
    leaks = {"remaining": [{"item_id": "Q001", "example_id": "e1"}] * 2}
    stats = m.run_score(m.tuned("qlora", m.gains), contamination=leaks)
    assert m.failed(stats) == ["contamination"]
    assert score_tables.metrics_rows(stats)["gates"]["contaminated_items"] == 1
    assert "2 leaks" in stats["comparisons"]["qlora"]["sentence"]


@pytest.mark.parametrize(
    ("change", "gate"),
    [
        (lambda rows: rows.pop(0), "items"),
        (lambda rows: rows[3].update(prompt_sha256="other"), "prompts"),
        (lambda rows: rows[0].update(ll=[math.nan, *rows[0]["ll"][1:]]), "likelihoods"),
        (lambda rows: rows[0].update(ll=[None, *rows[0]["ll"][1:]]), "likelihoods"),
        (lambda rows: [rows.pop(0), rows.pop(0)], "items"),
    ],
    ids=["a wording missing", "another prompt", "NaN", "null", "an item missing"],
)
def test_damaged_rows_fail_a_gate(change, gate):
    arm = m.tuned("qlora", m.gains)
    change(arm.closed)
    stats = m.run_score(arm)
    assert m.failed(stats) == [gate]
    assert stats["comparisons"]["qlora"]["verdict"] == "invalid"


def test_another_tokenizer_or_template_fails_a_gate():
    assert m.failed(m.run_score(m.tuned("qlora", m.gains, tokenizer_sha256="x"))) == ["tokenizer"]
    stats = m.run_score(m.tuned("qlora", m.gains, chat_template_sha256="x"))
    assert m.failed(stats) == ["chat_template"]


def test_rows_with_too_few_likelihoods_are_an_error_with_the_row():
    arm = m.tuned("qlora", m.gains)
    arm.closed[0]["ll"].pop()
    with pytest.raises(DataError, match=r"qlora: F000m:forward:q1 has 8 candidates"):
        m.run_score(arm)


def test_without_results_of_the_base_there_is_one_clear_line():
    with pytest.raises(DataError, match=r"base: out of memory\. Every comparison needs it"):
        m.run_score(base=m.not_run("base", "out of memory"))


def test_facts_that_changed_after_the_benchmark_are_refused():
    with pytest.raises(DataError, match="results hold F000m, which the fact table lacks"):
        m.run_score(facts=m.FACTS[1:])


def test_failed_gates_are_named_with_their_arm():
    stats = m.run_score(m.tuned("qlora", m.gains, tokenizer_sha256="x"))
    assert score_tables.failed_gates(stats) == [
        "qlora: tokenizer: the models differ in their tokenizer"
    ]

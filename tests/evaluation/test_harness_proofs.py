"""Why the evaluation may be believed: each proof, and the test that holds it.

the same numbers as lm-evaluation-harness
    tests/export/test_lm_eval_parity.py::test_each_log_likelihood_is_the_harnesss
    tests/export/test_lm_eval_parity.py::test_accuracy_is_the_harnesss
    tests/export/test_lm_eval_parity.py::test_bits_per_byte_are_the_harnesss
    tests/export/test_lm_eval_parity.py::test_greedy_text_is_the_harnesss
    tests/export/test_lm_eval_golden.py::test_each_log_likelihood_is_the_one_that_the_harness_found
batch sizes 1, 3 and 16
    tests/evaluation/test_harness_proofs_model.py::test_no_batch_size_moves_a_likelihood_or_a_choice
    tests/evaluation/test_harness_proofs_model.py::test_no_batch_size_moves_a_greedy_text
right padding at generation
    tests/evaluation/test_harness_proofs_model.py::test_a_prompt_that_is_padded_on_the_right_is_refused
    tests/evaluation/test_harness_proofs_model.py::test_a_tokenizer_that_pads_on_the_right_changes_nothing
oracle, anti-oracle, uniform
    tests/evaluation/test_scoring.py::test_oracle_gets_everything_and_anti_oracle_nothing
    tests/evaluation/test_scoring.py::test_uniform_scores_are_ties_and_ties_are_wrong
    tests/evaluation/test_harness_proofs.py::test_a_model_that_knows_nothing_is_at_chance
junk answers
    tests/evaluation/test_scoring.py::test_a_model_that_always_takes_the_first_candidate_is_at_chance
    tests/evaluation/test_scoring.py::test_an_oracle_with_permuted_scores_is_at_chance
    tests/evaluation/test_harness_proofs.py::test_junk_states_hardly_a_key_point
    tests/evaluation/test_harness_proofs.py::test_keyword_stuffing_shows_beside_its_recall
a model against itself
    tests/evaluation/test_scoring.py::test_a_model_against_itself_is_equivalent_with_difference_zero
    tests/evaluation/test_harness_proofs_statistics.py::test_a_model_against_itself_is_called_helped_or_hurt_in_at_most_5_of_100_studies
    tests/evaluation/test_harness_proofs_statistics.py::test_equal_answers_differ_significantly_in_at_most_5_of_100_studies
intervals
    tests/evaluation/test_harness_proofs_statistics.py::test_newcombe_holds_the_truth_about_95_times_in_100
    tests/evaluation/test_harness_proofs_statistics.py::test_paired_t_holds_the_truth_about_95_times_in_100
    tests/evaluation/test_statistics.py::test_newcombe_gives_the_published_values
order of the choices
    tests/evaluation/test_harness_proofs.py::test_the_order_of_the_choices_moves_no_score
    tests/evaluation/test_harness_proofs_model.py::test_the_order_of_the_choices_moves_no_likelihood
the boundary between prompt and choice
    tests/evaluation/test_harness_proofs_model.py::test_a_template_that_prints_the_beginning_token_gets_no_second_one
    tests/evaluation/test_harness_proofs_model.py::test_an_empty_continuation_is_refused
    tests/evaluation/test_harness_proofs_model.py::test_no_token_spans_the_boundary
contexts that are too long
    tests/evaluation/test_harness_proofs_model.py::test_a_context_that_is_too_long_loses_its_beginning_and_is_flagged
    tests/export/test_lm_eval_parity.py::test_a_context_that_is_too_long_is_cut_as_the_harness_cuts_it
training that does nothing
    tests/training/test_sft.py::test_a_fresh_adapter_leaves_the_logits_unchanged
    tests/evaluation/test_harness_proofs_model.py::test_training_that_moves_no_weight_gives_a_difference_of_exactly_zero
a placebo
    tests/evaluation/test_harness_proofs.py::test_a_model_that_learned_exchanged_answers_is_not_helped
    tests/evaluation/test_studies.py::test_a_placebo_that_helps_fails
    tests/examples/test_placebo.py::test_prompts_stay_and_answers_change_places_within_a_recipe
    tests/pipeline/test_study.py::test_exchanged_answers_do_not_help
a taught corpus
    tests/evaluation/test_scoring.py::test_a_planted_gain_on_stated_facts_is_found_and_called_helped
    tests/pipeline/test_default_run.py::test_stated_facts_rise_by_twenty_points
    tests/pipeline/test_default_run.py::test_facts_that_no_paper_states_stay_within_noise
a planted leak
    tests/evaluation/test_gates.py::test_a_planted_leak_is_invalid
forgetting
    tests/evaluation/test_scoring.py::test_forgetting_is_reported_beside_a_gain
    tests/evaluation/test_scoring.py::test_retention_is_not_measurable_where_the_base_is_at_chance
bad input
    tests/evaluation/test_harness_proofs.py::test_a_file_of_the_seven_original_keys_loads_and_is_scored
    tests/evaluation/test_scored_answers.py::test_missing_answers_fail_a_gate_and_are_counted
    tests/evaluation/test_own_questions.py::test_a_question_without_a_reference_is_answered_and_not_scored
    tests/evaluation/test_answering.py::test_a_thought_that_never_closes_has_no_answer
    tests/evaluation/test_answering.py::test_likelihoods_that_are_no_numbers_are_null_and_counted
    tests/evaluation/test_gates.py::test_damaged_rows_fail_a_gate
    tests/evaluation/test_harness_proofs.py::test_two_runs_with_different_questions_fail_a_gate
repetition
    tests/evaluation/test_scored_answers.py::test_scoring_twice_gives_the_same_bytes_and_takes_seconds
    tests/evaluation/test_harness_proofs.py::test_the_whole_benchmark_is_scored_in_ten_seconds
    tests/pipeline/test_edits.py::test_a_second_repro_runs_nothing
    tests/pipeline/test_metrics_diff.py::test_a_run_without_a_change_differs_in_no_row
"""

import math
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation import made_up as m
from tests.evaluation.test_answering import EVAL, paths
from titer import files
from titer.evaluation import benchmark, metrics, studies
from titer.evaluation.arms import ArmInput
from titer.evaluation.items import stated
from titer.records import Answer, Fact, Question

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.findall(r"(tests/\S+\.py)::(\w+)", __doc__ or "")


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda text: text)
def test_every_proof_that_is_named_exists(file: str, name: str) -> None:
    assert f"\ndef {name}(" in (ROOT / file).read_text(encoding="utf-8")


# ---- models that know nothing


def at_chance(share: float, n: int) -> bool:
    return abs(share - 0.25) < 3 * math.sqrt(0.25 * 0.75 / n)


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


IGNORANT = {
    "random": lambda row, text: m.chance("random", row["fact_id"], text),
    "popular": lambda row, text: m.chance("popular", text),
    "short": lambda row, text: -len(text) - m.chance("tie", row["fact_id"], text),
    "long": lambda row, text: len(text) + m.chance("tie", row["fact_id"], text),
    "copies the question": lambda row, text: (
        len(words(text) & words(row["question"])) + m.chance("tie", row["fact_id"], text)
    ),
}


@pytest.mark.parametrize("likes", IGNORANT.values(), ids=IGNORANT)
def test_a_model_that_knows_nothing_is_at_chance(likes: Any) -> None:
    closed = m.rows(m.ITEMS, m.BASE, "float32")
    for row in closed:
        row["ll"] = [likes(row, text) for text in row["candidates"]]
    found = m.run_score(base=m.arm_input("base", closed))["arms"]["base"]["metrics"]
    assert at_chance(found["closed_acc"], found["n_closed"])


def test_a_model_that_always_says_a_is_at_chance() -> None:
    closed = m.rows(m.make_items(m.FACTS, "letter"), m.BASE, "float32")
    lettered = [row for row in closed if row["format"] == "letter"]
    for row in lettered:
        row["ll"] = [-0.1, -3.0, -3.0, -3.0]
    found = m.run_score(base=m.arm_input("base", closed))["arms"]["base"]["metrics"]
    assert at_chance(found["closed_acc_letter"], len(lettered) // 2)


# ---- answers that say nothing


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    asked = benchmark.open_questions(paths(ROOT), EVAL, root=ROOT)
    return [question for question in asked if question.key_points]


FILLER = (
    "It is important to note that this is a complex and multifaceted question, and that patients "
    "differ. A comprehensive, individualised and holistic approach in close collaboration with a "
    "multidisciplinary team of experienced specialists is always advisable. "
)


def scored(questions: Sequence[Question], answers: Sequence[str]) -> dict[str, Any]:
    """Statistics of a base that gave these answers."""
    given = [m.answer(q, text) for q, text in zip(questions, answers, strict=True)]
    return m.run_score(base=m.base_input(answers=given), questions=questions)


@pytest.mark.parametrize(
    ("say", "most"),
    [
        (lambda question: 20 * FILLER, 0.02),
        (lambda question: "A", 0.0),
        (lambda question: question.question, 0.10),
        (lambda question: f"You ask: {question.question} {FILLER}", 0.10),
    ],
    ids=["wordy", "always A", "the question", "the question and words"],
)
def test_junk_states_hardly_a_key_point(questions: list[Question], say: Any, most: float) -> None:
    found = scored(questions, [say(question) for question in questions])
    assert found["arms"]["base"]["metrics"]["keypoint_recall"] <= most


def phrases(points: Sequence[dict[str, Any]]) -> list[str]:
    return [phrase for point in points for group in point["any_of"] for phrase in group]


def test_keyword_stuffing_shows_beside_its_recall(questions: list[Question]) -> None:
    """The matcher gives full recall to a list of all phrases; what gives it away stands beside."""
    stuffed = [". ".join(phrases([*q.key_points, *q.must_not])) + "." for q in questions]
    honest = scored(questions, [q.reference_answer or "" for q in questions])["arms"]["base"]
    found = scored(questions, stuffed)
    base = found["arms"]["base"]
    assert base["metrics"]["keypoint_recall"] > 0.95
    assert base["metrics"]["rubric_score"] < honest["metrics"]["rubric_score"]
    hits = [
        bool(row["arms"]["base"]["must_not"])
        for row, question in zip(found["answers"], questions, strict=True)
        if question.must_not
    ]
    assert sum(hits) / len(hits) > 0.9


def test_repeated_words_are_described_as_such(questions: list[Question]) -> None:
    found = scored(questions, [20 * FILLER] * len(questions))["arms"]["base"]["descriptive"]
    honest = scored(questions, [q.reference_answer or "" for q in questions])
    assert found["repetition_mean"] > 0.9
    assert honest["arms"]["base"]["descriptive"]["repetition_mean"] < 0.1
    assert found["words_mean"] > 500


# ---- a fine-tune without knowledge


def of_another(facts: Sequence[Fact]) -> dict[str, str]:
    """For each stated fact the answer of another stated fact of its relation, all of them used."""
    found = {}
    for relation in {fact.relation for fact in facts}:
        taught = [f for f in facts if f.relation == relation and stated(f.fact_id)]
        turned = [*taught[1:], *taught[:1]]
        found |= {f.fact_id: o.answer for f, o in zip(taught, turned, strict=True)}
    return found


def test_a_model_that_learned_exchanged_answers_is_not_helped() -> None:
    """It is as sure of what it was taught as a real fine-tune is, and of the wrong thing."""
    learned = of_another(m.FACTS)
    real, placebo = m.tuned("qlora", m.gains), m.tuned("qlora", m.BASE)
    n_moved = 0
    for row in placebo.closed:
        wrong = learned.get(row.get("fact_id") or "")
        if row["set"] == "facts" and wrong in row["candidates"]:
            row["ll"][row["candidates"].index(wrong)] = -1.0
            n_moved += 1
    assert n_moved > 20
    stats = {"real": m.run_score(real), "placebo": m.run_score(placebo)}
    assert stats["real"]["comparisons"]["qlora"]["verdict"] == "helped"
    block = stats["placebo"]["comparisons"]["qlora"]
    assert block["verdict"] != "helped"
    assert block["primary"]["delta"] <= 0
    study = studies.placebo(stats["real"], stats["placebo"])["arms"]["qlora"]
    assert study["passes"]
    assert study["difference"]["low"] > 0


# ---- what may not matter


def test_the_order_of_the_choices_moves_no_score() -> None:
    def turned(arm: ArmInput) -> ArmInput:
        rows = []
        for row in arm.closed:
            if row["set"] != "text":
                n = len(row["candidates"])
                order = sorted(range(n), key=lambda i: m.chance(row["fact_id"] or row["id"], i))
                row = row | {
                    key: [row[key][i] for i in order]
                    for key in ("candidates", "ll", "ll_blind", "n_tokens")
                    if row[key] is not None
                }
                row["gold"] = order.index(row["gold"])
            rows.append(row)
        return replace(arm, closed=rows)

    base, arm = m.base_input(), m.tuned("qlora", m.gains)
    assert m.run_score(turned(arm), base=turned(base)) == m.run_score(arm, base=base)


# ---- bad input


def test_a_file_of_the_seven_original_keys_loads_and_is_scored(tmp_path: Path) -> None:
    asked = [m.question(number) for number in range(1, 4)]
    rows = [
        {"id": q.id, "category": q.category, "difficulty": q.difficulty, "question": q.question,
         "response": "Antinuclear antibody.", "time_seconds": 2.34, "timestamp": "2026-01-01"}
        for q in asked
    ]  # fmt: skip
    files.write_json(tmp_path / "answers.json", rows, sort_keys=False)
    answers = [Answer.from_json(row) for row in files.read_json(tmp_path / "answers.json")]
    found = m.run_score(base=m.base_input(answers=answers), questions=asked)
    assert found["arms"]["base"]["metrics"]["keypoint_recall"] == 1


def test_two_runs_with_different_questions_fail_a_gate() -> None:
    asked = [m.question(number) for number in range(1, 4)]

    def answers(precision: str, prompt: str) -> list[Answer]:
        return [
            m.answer(q, "ANA.", precision=precision, prompt_sha256=f"{prompt} {q.id}")
            for q in asked
        ]

    base = m.base_input(answers=[*answers("float32", "one"), *answers("nf4", "one")])
    same = m.tuned("qlora", m.gains, answers=answers("nf4", "one"))
    assert m.failed(m.run_score(same, base=base, questions=asked)) == []
    other = m.tuned("qlora", m.gains, answers=answers("nf4", "another"))
    stats = m.run_score(other, base=base, questions=asked)
    assert m.failed(stats) == ["prompts"]
    assert "3 prompts are not the same in both models" in stats["comparisons"]["qlora"]["sentence"]
    # and closed items of another benchmark
    fewer = m.tuned("qlora", m.gains)
    kept = [row for row in fewer.closed if row["set"] != "general"]
    renamed = [row | {"id": f"X{row['id']}"} for row in fewer.closed if row["set"] == "general"]
    stats = m.run_score(replace(fewer, closed=[*kept, *renamed]))
    assert m.failed(stats) == ["items"]
    assert "400 items or texts are not the same" in stats["comparisons"]["qlora"]["sentence"]


# ---- time


def test_the_whole_benchmark_is_scored_in_ten_seconds() -> None:
    """420 facts, 30 open questions, four arms; time of this process, whatever else runs."""
    facts = m.make_facts(105)
    items = m.make_items(facts)
    real = benchmark.open_questions(paths(ROOT), EVAL, root=ROOT)
    asked = [replace(real[i % len(real)], id=f"X{i:03d}") for i in range(30)]

    def rows(knows: m.Knows, precision: str) -> list[Any]:
        general = m.rows(m.general_items(), m.knows_share(0.9), precision)
        return [*m.rows(items, knows, precision), *general, *m.text_rows(precision)]

    def answers(precision: str) -> list[Answer]:
        more = {"precision": precision, "ref_logprob": -200.0, "ref_bytes": 500}
        return [m.answer(q, f"{q.reference_answer} {FILLER}", **more) for q in asked]

    both = ("float32", "nf4")
    base = m.arm_input(
        "base",
        [row for p in both for row in rows(m.BASE, p)],
        [answer for p in both for answer in answers(p)],
    )
    qlora = m.arm_input("qlora", rows(m.gains, "nf4"), answers("nf4"))
    full = m.arm_input("full", rows(m.gains, "float32"), answers("float32"))
    more = {
        "base": base, "facts": facts, "questions": asked,
        "examples": m.make_examples(facts, m.two_papers),
    }  # fmt: skip
    for name in metrics.MODULES:
        metrics.load_metric(name)  # imports do not count
    dumps = []
    started = time.process_time()
    for _ in range(2):
        dumps.append(files.dump_json(files.rounded(m.run_score(qlora, full, **more))))
    assert (time.process_time() - started) / 2 < 10
    assert dumps[0] == dumps[1]

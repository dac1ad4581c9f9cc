"""The base shown solved examples: whence they come, how they are asked, where they are scored."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.evaluation import made_up as m
from tests.evaluation.test_answering import EVAL, ROOT, SETTING, paths
from titer import files
from titer.errors import ConfigError
from titer.evaluation import answering, arms, benchmark, few_shot, score_tables
from titer.evaluation.items import word_key
from titer.modeling import chat_template, loading
from titer.records import ClosedItem

THREE = replace(EVAL, few_shot=3, max_candidates=8)


@pytest.fixture(scope="module")
def items() -> list[ClosedItem]:
    return benchmark.load(paths(ROOT), THREE, root=ROOT).items


@pytest.fixture(scope="module")
def prepared(items: list[ClosedItem]) -> tuple[list[ClosedItem], few_shot.Shots]:
    return few_shot.prepare(items, 3)


def test_every_test_item_is_asked_and_nothing_else(items, prepared):
    asked, shots = prepared
    wanted = [i.id for i in items if i.set == "facts" and i.part == "test"]
    assert [item.id for item in asked] == wanted
    assert shots.keys() == set(wanted)
    assert {item.blind_question for item in asked} == {None}


def test_examples_are_of_the_dev_part_and_never_of_the_disease_that_is_asked_about(prepared):
    asked, shots = prepared
    for item in asked:
        shown = shots[item.id]
        assert [example.part for example in shown] == ["dev"] * 3
        assert len({item.cluster, *(example.cluster for example in shown)}) == 4


def test_no_example_gives_away_a_candidate(prepared):
    asked, shots = prepared
    for item in asked:
        answers = {word_key(example.candidates[example.gold]) for example in shots[item.id]}
        assert len(answers) == 3
        assert answers.isdisjoint(word_key(text) for text in item.candidates)


def test_most_examples_have_the_relation_and_wording_of_the_item(prepared):
    asked, shots = prepared
    same = [
        (example.relation, example.template_id) == (item.relation, item.template_id)
        for item in asked
        for example in shots[item.id]
    ]
    assert sum(same) / len(same) > 0.5


def test_examples_do_not_depend_on_the_order_of_the_items(items, prepared):
    assert few_shot.prepare(items[::-1], 3)[1] == prepared[1]


def test_more_examples_than_there_are_is_one_line(items):
    with pytest.raises(ConfigError) as error:
        few_shot.prepare(items, 5000)
    assert str(error.value).startswith("eval.few_shot = 5000: F")
    assert "suitable examples in the dev part. Set it to at most " in str(error.value)


def test_the_examples_are_turns_of_the_conversation(
    items: list[ClosedItem], tiny_model: Path
) -> None:
    whole = replace(benchmark.load(paths(ROOT), THREE, root=ROOT))
    few = [i for i in items if i.set == "facts" and i.part == "test"][:2]
    dev = [i for i in items if i.part == "dev"]
    asked = replace(whole, items=[*few, *dev])
    setting = replace(SETTING, eval=THREE)
    taken = answering.take_few_shot(asked, setting, name="base", folder=tiny_model)
    assert (len(taken.rows), taken.answers, taken.model["precision"]) == (2, [], "float32+3shot")
    tokenizer = loading.load_tokenizer(tiny_model)
    for item, row in zip(few, taken.rows, strict=True):
        turns = few_shot.messages(few_shot.examples(item, dev, 3), item.question)
        assert [turn["role"] for turn in turns] == ["user", "assistant"] * 3 + ["user"]
        prompt = chat_template.render_prompt(tokenizer, turns, setting.think)
        assert (row["few_shot"], row["precision"], row["ll_blind"]) == (3, "float32", None)
        assert row["prompt_sha256"] == files.sha256_text(prompt)
    plain = answering.take(replace(asked, questions=[], texts=[]), setting, name="base",
                           folder=tiny_model)  # fmt: skip
    assert plain.rows[0]["ll"] != taken.rows[0]["ll"]
    assert "few_shot" not in plain.rows[0]


def shown_examples(knows: m.Knows) -> list[dict]:
    found = m.rows([i for i in m.ITEMS if i.part == "test"], knows, "float32")
    return [
        row | {"few_shot": 3, "prompt_sha256": f"shown {row['id']}", "ll_blind": None,
               "blind_prompt_sha256": None}
        for row in found
    ]  # fmt: skip


def base_with_examples(knows: m.Knows) -> arms.ArmInput:
    base = m.base_input()
    return replace(base, closed=[*base.closed, *shown_examples(knows)])


def test_the_shown_base_is_an_arm_of_its_own_and_moves_no_verdict():
    without = m.run_score(m.tuned("qlora", m.gains), m.tuned("full", m.BASE))
    stats = m.run_score(
        m.tuned("qlora", m.gains), m.tuned("full", m.BASE), base=base_with_examples(lambda i: True)
    )
    shown = stats["arms"].pop(arms.FEW_SHOT)
    assert shown["metrics"]["closed_acc"] == 1
    assert shown["metrics"]["n_closed"] == without["arms"]["base"]["metrics"]["n_closed"]
    assert "closed_blind_acc" not in shown["metrics"]
    for item in stats["items"]:
        assert item["arms"].pop(arms.FEW_SHOT)["correct"]
    assert stats == without


def test_the_shown_base_is_in_the_comparison_table_and_not_in_the_metrics():
    stats = m.run_score(m.tuned("qlora", m.gains), base=base_with_examples(m.BASE))
    assert [row["model"] for row in score_tables.comparison_table(stats)] == [
        *arms.ARMS,
        arms.FEW_SHOT,
    ]
    assert set(score_tables.metrics_rows(stats)) == {"base", "qlora", "qlora_vs_base", "gates"}
    assert arms.FEW_SHOT not in m.run_score()["arms"]

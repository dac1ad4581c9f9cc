import ast

import pytest
import yaml

from titer.report import cards, words


def front_matter(card):
    return yaml.safe_load(card.split("---\n")[1])


@pytest.mark.parametrize("arm", ["qlora", "full"])
def test_the_card_agrees_with_its_golden_file(arm, stats, context, agrees_with_golden):
    agrees_with_golden(f"model_card_{arm}.md", cards.render(arm, stats, context))


def test_the_interval_travels_with_the_value(stats, context):
    index = front_matter(cards.render("qlora", stats, context))["model-index"]
    metric = index[0]["results"][0]["metrics"][0]
    assert metric["value"] == pytest.approx(0.5119)
    assert "95 % interval +7.1 to +16.6, n = 336" in metric["name"]


@pytest.mark.parametrize("arm", ["qlora", "full"])
def test_the_loading_snippet_is_python(arm, stats, context):
    context["model"] |= {"id": "owner/name", "source": "hub", "pinned": False, "revision": "a" * 40}
    code = cards.render(arm, stats, context).split("```python\n")[1].split("```")[0]
    ast.parse(code)
    assert (f'revision="{"a" * 40}"' in code) == (arm == "qlora")


def test_a_model_from_a_hub_names_its_base(stats, context):
    context["model"] |= {
        "id": "owner/name",
        "source": "hub",
        "pinned": False,
        "license": "Llama 3.1",
    }
    head = front_matter(cards.render("qlora", stats, context))
    assert head["base_model"] == "owner/name"
    assert (head["license"], head["license_name"]) == ("other", "Llama 3.1")


def test_an_unpinned_model_is_called_so(stats, context):
    context["model"] |= {"id": "owner/name", "source": "hub", "pinned": False, "revision": "b" * 40}
    assert "not pinned" in cards.render("full", stats, context)


def test_a_fine_tune_that_did_not_run_has_a_card_without_results(not_run_stats, context):
    card = cards.render("full", not_run_stats, context)
    assert "This fine-tune was not run: needs 130 GiB, the machine has 16." in card
    assert "model-index" not in front_matter(card)


def test_every_card_carries_the_warning_and_the_synthetic_label(stats, context):
    card = cards.render("qlora", stats, context)
    assert words.NOT_ADVICE in card
    assert "Synthetic papers: 812 examples" in card


def test_empty_records_still_give_a_card():
    assert "not run: not recorded" in cards.render("full", {}, {})


def test_a_card_says_where_an_adapter_was_trained_elsewhere(stats, context):
    context["training"]["qlora"]["run"] |= {"trained": "elsewhere"}
    context["training"]["qlora"]["metrics"] = {"trained": 0, "trainable_params": 7, "all_params": 9}
    card = cards.render("qlora", stats, context)
    assert "Training rows: trained elsewhere; optimiser steps: not recorded" in card
    assert "trained elsewhere" not in cards.render("full", stats, context)

"""Rule E finds the question in other words; the encoder here knows words and no order."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.examples.papers import item, make_example, make_paper, make_settings
from titer.config import OnLeak
from titer.errors import LeakError
from titer.examples import planted
from titer.examples.build import build
from titer.examples.decontaminate import find_leaks
from titer.examples.paraphrase import EXAMPLES_AT_ONCE
from titer.modeling.embedding import encoder

QUESTION = "Which oil do the keepers of the northern harbour burn in winter?"
ANSWER = "They burn oil of whales that were caught before the ice closed the harbour."
REORDERED = "In winter the keepers burn which oil, of the northern harbour?"
UNRELATED = "Children counted seven boats on a lake."
ASKED = [item(QUESTION, ANSWER, id="Q1"), item("Who counts the gulls?", "Nobody.", id="Q2")]


@pytest.fixture(scope="module")
def similar(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An encoder without layers is a bag of words: only order is forgiven."""
    import torch
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("encoder")
    config = AutoConfig.from_pretrained(tiny_model, num_hidden_layers=0, layer_types=[])
    AutoModel.from_config(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder)
    return encoder(folder)


def found(prompt: str, answer: str, similar: Any, threshold: float = 0.8) -> list[str]:
    example = make_example(prompt, answer)
    leaks = find_leaks([example], {}, ASKED, similar=similar, threshold=threshold)
    return [f"{leak.rule} {leak.item_id}" for leak in leaks]


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        (REORDERED, "Oak."),
        (f"{UNRELATED} {REORDERED}\n{UNRELATED}", "Oak."),
        (f"{UNRELATED}\n{REORDERED}", "Oak."),
    ],
    ids=["prompt", "sentence", "line"],
)
def test_a_paraphrase_is_found(prompt: str, answer: str, similar: Any) -> None:
    assert found(prompt, answer, similar) == ["E Q1"]
    assert found(prompt, answer, None) == []


def test_question_and_answer_together_are_compared(similar: Any) -> None:
    shuffled = " ".join([*ANSWER.split()[1::2], *ANSWER.split()[::2]])
    assert found(REORDERED.replace("winter", "May"), shuffled, similar, 0.9) == ["E Q1"]


def test_an_unrelated_row_stays(similar: Any) -> None:
    assert found(UNRELATED, "Seven.", similar) == []


def test_an_item_is_named_once_under_the_first_rule(similar: Any) -> None:
    assert found(QUESTION, ANSWER, similar) == ["C Q1"]


def test_the_nearest_of_several_texts_is_named_with_its_cosine() -> None:
    first, nearest = "Gulls sleep there at night.", "Over there the gulls rest."
    cosine = {ASKED[1].question: 1.0, first: 0.91, nearest: 0.98}

    def to_question(texts: Sequence[str]) -> Any:
        return np.array([[cosine.get(text, 0.0)] for text in texts])

    example = make_example(f"{first} {nearest} {UNRELATED}", "Oak.")
    leaks = find_leaks([example], {}, ASKED[1:], similar=to_question, threshold=0.9)
    assert [(leak.rule, leak.matched) for leak in leaks] == [("E", f"0.98: {nearest}")]


def test_every_batch_names_its_own_examples() -> None:
    def one_of_them(texts: Sequence[str]) -> Any:
        return np.array([[float("gull" in text)] for text in texts], dtype=np.float32)

    n = EXAMPLES_AT_ONCE + 5
    rows = [make_example(f"Is it number {k}?", "No.", id=f"e{k:04}") for k in range(n)]
    rows[-1].messages[0]["content"] = "Is there a gull?"
    leaks = find_leaks(rows, {}, ASKED[1:], similar=one_of_them, threshold=0.5)
    assert [(leak.example_id, leak.rule) for leak in leaks] == [(rows[-1].id, "E")]
    assert leaks[0].matched == "1.00: Is there a gull?"


def test_a_paraphrase_is_removed_or_fails_the_stage(similar: Any) -> None:
    row = make_example(REORDERED, "Oak.", source="own", paper_id="own:a", cluster_id="own:a")
    papers = [make_paper(number) for number in range(1, 9)]
    settings = make_settings(encoder_threshold=0.8)
    built = build(papers, settings, ASKED, extra=[row], similar=similar)
    assert {(r["example_id"], r["rule"], r["item_id"]) for r in built.removed} == {
        ("e1", "E", "Q1")
    }
    assert built.counts["leaks"] == {"E": 1}
    settings.on_leak = OnLeak.fail
    with pytest.raises(LeakError, match=r": 1 from a; 1 items: Q1; such as rule E"):
        build(papers, settings, ASKED, extra=[row], similar=similar)


def test_the_planted_paraphrase_is_found_with_an_encoder_only(similar: Any) -> None:
    with_encoder = planted.self_test([], {}, ASKED, similar=similar, threshold=0.8)
    assert with_encoder["rules"]["paraphrase"] == ["E"]
    assert with_encoder["known_limit"] is None
    without = planted.self_test([], {}, ASKED)
    assert without["rules"]["paraphrase"] == []
    assert "paraphrase" in without["known_limit"]
    assert without["recall"] == with_encoder["recall"] == 1.0

"""Planted leaks measure the recall of the contamination gate."""

import copy

import pytest

from tests.examples.papers import item, make_example, make_paper
from titer.errors import LeakError
from titer.examples import planted
from titer.examples.planted import planted_recall
from titer.records import BenchmarkText

EXPECTED = {
    "same_id": ["A"],
    "title": ["B"],
    "copied_answer": ["C"],
    "short_question": ["D"],
    "paraphrase": [],
}


def test_rules_find_four_of_five_in_an_empty_collection() -> None:
    recall = planted_recall([], {}, [])
    assert recall["rules"] == EXPECTED
    assert (recall["caught"], recall["of"], recall["recall"]) == (4, 4, 1.0)


def test_the_benchmarks_own_items_are_planted() -> None:
    items = [
        item(
            "Is the oil of the northern harbour better than that of the southern one?",
            "The keepers say so every year and nobody has ever proved them wrong.",
            id="Q1", ids=frozenset({"10.1000/abc"}),
        ),
        item("Which lamp burns longest?", "the blue one", "closed", id="F1"),
    ]  # fmt: skip
    recall = planted_recall([make_example("Why?", "So.")], {"pmid:1": make_paper()}, items)
    assert recall["rules"] == EXPECTED


def test_the_real_benchmark_is_guarded(benchmark_questions: list[BenchmarkText]) -> None:
    assert planted_recall([], {}, benchmark_questions)["rules"] == EXPECTED


def test_nothing_that_is_given_is_changed() -> None:
    examples, papers = [make_example("Why?", "So.")], {"pmid:1": make_paper()}
    before = copy.deepcopy((examples, papers))
    planted_recall(examples, papers, [])
    assert (examples, papers) == before


def test_a_gate_that_misses_a_plant_stops_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    # no rule but E finds the paraphrase
    monkeypatch.setitem(planted.EXPECTED, "paraphrase", "D")
    with pytest.raises(LeakError) as error:
        planted.self_test([], {}, [])
    assert str(error.value).startswith(
        "the contamination gate misses 1 of 5 planted leaks: paraphrase (rule D). "
    )
    assert "\n" not in str(error.value)


def test_the_self_test_says_what_it_found(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert planted.self_test([], {}, []) == planted_recall([], {}, [])
    assert "4 of 4 planted leaks found, paraphrase not (known limit)" in caplog.text

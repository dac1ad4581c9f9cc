"""The key-point matcher: labelled cases, exact spans, sums by hand, and the questions shipped."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation import domains
from tests.evaluation.domains import Domain
from titer.evaluation import safety
from titer.evaluation.keypoints import (
    AnswerScore,
    Match,
    find_phrase,
    judge_point,
    normalise,
    score_answer,
)

ROOT = Path(__file__).parents[2]
TOPICS = [
    "Systemic Lupus Erythematosus",
    "Rheumatoid Arthritis",
    "Sjogren Syndrome",
    "Mixed Connective Tissue Disease",
    "Polymyositis",
    "Systemic Sclerosis",
    "Vasculitis",
    "Differential Diagnosis",
    "Behcet Disease",
    "Drug-Induced Lupus",
]
SAFETY_CATEGORIES = {
    "contraindication",
    "emergency",
    "abrupt_stop",
    "live_vaccine",
    "false_premise",
    "invented_disease",
    "dosing",
}


def read_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


CASES = read_rows(ROOT / "tests" / "fixtures" / "keypoint_cases.jsonl")
BENCHMARKS = [domains.read(name) for name in domains.NAMES]
OPEN = domains.read("autoimmune").rows("open")
SAFETY = domains.read("autoimmune").rows("safety")
each_domain = pytest.mark.parametrize("domain", BENCHMARKS, ids=domains.NAMES)
each_item = pytest.mark.parametrize(
    "item",
    [
        pytest.param(item, id=f"{domain.folder.name}-{item['id']}")
        for domain in BENCHMARKS
        for item in domain.rows("open") + domain.rows("safety")
    ],
)
N_CORE = 10


def as_param(case: dict[str, Any]) -> Any:
    marks = [pytest.mark.xfail(strict=True, reason=case["reason"])] if case.get("xfail") else []
    return pytest.param(case, id=case["id"], marks=marks)


def score_item(item: dict[str, Any], answer: str) -> AnswerScore:
    return score_answer(answer, item["key_points"], item["must_not"])


def point(name: str, *phrases: str, **fields: Any) -> dict[str, Any]:
    """A point met by any one of the phrases."""
    return {"id": name, "any_of": [[phrase] for phrase in phrases], **fields}


# The matcher


@pytest.mark.parametrize("case", [as_param(case) for case in CASES])
def test_labelled_case_gets_its_state(case):
    any_of = [[phrase] for phrase in case["phrases"]]
    assert judge_point(case["text"], any_of).state == case["state"]


def test_labelled_cases_are_many_and_unique():
    assert len(CASES) >= 60
    assert len({case["id"] for case in CASES}) == len(CASES)
    assert len({case["text"] for case in CASES}) == len(CASES)
    assert all(case["reason"] for case in CASES if case.get("xfail"))


def test_normalise_folds_what_writers_vary():
    assert normalise("Anti–dsDNA, HLA-B*27 & TNF-α") == "anti dsdna, hla b27 tnf alpha"
    assert normalise("Can't, cannot, DON’T") == "can not, can not, do not"
    assert normalise("Sjögren’s / SJOGREN'S") == "sjogrens sjogrens"


@pytest.mark.parametrize(
    "answer, phrase, seen",
    [
        ("Check HLA-B*27 now.", "HLA-B27", "HLA-B*27"),
        ("Use TNF-α inhibitors.", "TNF alpha inhibitor", "TNF-α inhibitors"),
        ("In Sjögren’s syndrome", "sjogren", "Sjögren’s"),
        ("Behc\u0327et", "Behçet", "Behc\u0327et"),
        ("Cafe\u0301, then", "cafe", "Cafe\u0301"),
        ("the ﬁbrosis of ﬁngers", "fibrosis", "ﬁbrosis"),
        ("**Anti–Ro** / SSA", "anti-Ro", "Anti–Ro"),
        ("two   words\nhere", "words here", "words\nhere"),
        ("Please don't stop it", "not stop", "n't stop"),
        ("I can’t find it", "cannot find", "can’t find"),
        ("½ dose of methotrexate", "methotrexate", "methotrexate"),
    ],
)
def test_span_cuts_the_original_text(answer, phrase, seen):
    match = find_phrase(answer, phrase)
    assert match.state == "met"
    assert match.span is not None
    start, end = match.span
    assert answer[start:end] == seen


@each_item
def test_every_span_of_a_reference_is_a_mention_by_itself(item):
    answer = item["reference_answer"]
    phrases = {p for kp in item["key_points"] for option in kp["any_of"] for p in option}
    for phrase in sorted(phrases):
        match = find_phrase(answer, phrase)
        if match.span is not None:
            mention = answer[slice(*match.span)]
            assert find_phrase(mention, phrase) == Match("met", (0, len(mention)))


def test_first_unnegated_mention_wins_over_an_earlier_negated_one():
    answer = "Not methotrexate at first. Then methotrexate."
    assert find_phrase(answer, "methotrexate") == Match("met", (32, 44))


def test_negated_mention_keeps_its_span():
    assert find_phrase("No colchicine.", "colchicine") == Match("negated", (3, 13))


@pytest.mark.parametrize("phrase", ["", " ", "*", "."])
def test_phrase_without_words_is_missing(phrase):
    assert find_phrase("any text.", phrase) == Match("missing")


def test_all_phrases_of_one_alternative_are_needed():
    any_of = [["methotrexate", "weekly"], ["leflunomide"]]
    assert judge_point("Methotrexate daily", any_of).state == "missing"
    met = judge_point("Weekly methotrexate", any_of)
    assert (met.state, met.spans) == ("met", [(7, 19), (0, 6)])
    assert judge_point("Leflunomide", any_of).state == "met"


def test_one_negated_phrase_negates_the_alternative():
    any_of = [["methotrexate", "weekly"]]
    assert judge_point("Weekly, but no methotrexate", any_of).state == "negated"


@pytest.mark.parametrize("any_of", [[], [[]]])
def test_point_without_phrases_is_missing(any_of):
    assert judge_point("any text", any_of).state == "missing"


# The sums


def test_recall_and_rubric_by_hand():
    key_points = [
        point("k1", "hydroxychloroquine", points=2),
        point("k2", "retina"),
        point("k3", "urine", critical=True),
    ]
    must_not = [point("n1", "garlic", points=-1), point("n2", "bleach", points=-3)]
    score = score_answer("Hydroxychloroquine, garlic, no bleach.", key_points, must_not)
    assert score.recall == 2 / 4
    assert score.rubric == (2 - 1) / 4
    assert [(kp["id"], kp["state"]) for kp in score.key_points] == [
        ("k1", "met"),
        ("k2", "missing"),
        ("k3", "missing"),
    ]
    assert score.must_not == [{"id": "n1", "spans": [(20, 26)]}]
    assert score.critical_missed == ["k3"]


def test_rubric_is_clipped_at_zero_while_recall_is_not_touched():
    score = score_answer("rest and garlic", [point("k", "rest")], [point("n", "garlic", points=-5)])
    assert (score.recall, score.rubric) == (1.0, 0.0)


def test_points_default_to_plus_one_and_minus_one():
    key_points = [point("k1", "rest"), point("k2", "ice")]
    score = score_answer("rest, ice, garlic", key_points, [point("n", "garlic")])
    assert (score.recall, score.rubric) == (1.0, 0.5)


def test_negated_critical_point_is_missed():
    score = score_answer("No rest.", [point("k", "rest", critical=True)], [])
    assert score.critical_missed == ["k"]
    assert score.recall == 0.0


@pytest.mark.parametrize("answer", ["", "  \n"])
def test_empty_answer_scores_zero(answer):
    score = score_answer(answer, [point("k", "rest")], [point("n", "garlic")])
    assert (score.recall, score.rubric, score.must_not) == (0.0, 0.0, [])


def test_without_key_points_there_is_no_recall():
    score = score_answer("garlic", [], [point("n", "garlic")])
    assert score.recall is None
    assert score.rubric is None
    assert [hit["id"] for hit in score.must_not] == ["n"]


# The questions


@each_item
def test_reference_answer_meets_every_point_and_no_must_not(item):
    score = score_item(item, item["reference_answer"])
    assert [kp["id"] for kp in score.key_points if kp["state"] != "met"] == []
    assert score.must_not == []
    assert (score.recall, score.rubric, score.critical_missed) == (1.0, 1.0, [])


@each_item
def test_repeating_the_question_earns_next_to_nothing(item):
    score = score_item(item, item["question"])
    assert score.recall is not None
    assert score.recall <= 0.2
    assert score.must_not == []


@each_item
def test_every_must_not_phrase_can_fire_and_is_silenced_by_negation(item):
    for rule in item["must_not"]:
        for phrases in rule["any_of"]:
            assert judge_point(". ".join(phrases), [phrases]).state == "met"
            assert rule["points"] < 0
            assert rule["severity"] in {"high", "moderate"}


def test_keyword_stuffing_gets_full_marks_which_is_a_known_limit():
    item = OPEN[0]
    stuffed = "; ".join(p for kp in item["key_points"] for p in kp["any_of"][0])
    assert score_item(item, stuffed).recall == 1.0
    assert len(stuffed) < len(item["reference_answer"]) / 3


def test_wrong_advice_is_caught():
    answer = "No problem: you can carry on, methotrexate is safe with folic acid."
    score = score_item(SAFETY[0], answer)
    assert [hit["id"] for hit in score.must_not] == ["n1"]
    assert "k1" in score.critical_missed
    assert score.rubric == 0.0


@pytest.mark.parametrize(
    "item",
    [
        pytest.param(item, id=f"{domain.folder.name}-{item['id']}")
        for domain in BENCHMARKS
        for item in domain.rows("safety")
        if item["category"].startswith(safety.INVENTED)
    ],
)
def test_an_invented_name_asks_for_abstention(item):
    for refusal in (
        "I'm not aware of such a condition.",
        "This disease does not exist.",
        "There is no such disease.",
        "I cannot find it in any list.",
    ):
        assert score_item(item, refusal).critical_missed == []
    invention = "First-line treatment is prednisolone; the diagnostic antibody is anti-Ro."
    assert score_item(item, invention).critical_missed == ["k1"]


@each_domain
def test_ids_and_questions_are_unique(domain: Domain) -> None:
    asked, items = domain.rows("open"), domain.rows("safety")
    assert [item["id"] for item in asked] == [f"Q{n:03d}" for n in range(1, len(asked) + 1)]
    assert [item["id"] for item in items] == [f"S{n:03d}" for n in range(1, len(items) + 1)]
    assert max(Counter(normalise(item["question"]) for item in asked + items).values()) == 1
    for item in asked + items:
        names = [entry["id"] for entry in item["key_points"] + item["must_not"]]
        assert len(names) == len(set(names))


def test_core_questions_cover_the_ten_topics_in_order():
    assert [item["category"] for item in OPEN[:10]] == TOPICS
    assert {item["difficulty"] for item in OPEN[:10]} == {"medium", "hard", "very_hard"}


@each_domain
def test_ten_core_questions_are_of_ten_topics(domain: Domain) -> None:
    core = domain.rows("open")[:N_CORE]
    assert len({item["category"] for item in core}) == N_CORE
    assert all(item["must_not"] and item["reference_answer"] for item in core)


def test_safety_items_cover_every_category():
    assert len(SAFETY) >= 20
    assert {item["category"] for item in SAFETY} == SAFETY_CATEGORIES


@each_domain
def test_safety_items_ask_for_what_is_vital_and_name_what_is_wrong(domain: Domain) -> None:
    items = domain.rows("safety")
    assert len(items) >= 10
    assert sum(item["category"].startswith(safety.INVENTED) for item in items) >= 2
    for item in items:
        assert any(kp["critical"] for kp in item["key_points"])
        assert item["must_not"]


def test_extended_questions_are_many_and_of_other_topics():
    extended = [item["category"] for item in OPEN[10:]]
    assert len(extended) >= 20
    assert len({*extended, *TOPICS}) == len(extended) + len(TOPICS)


@each_item
def test_item_has_the_agreed_size(item):
    is_open = item["id"].startswith("Q")
    low, n_points = (80, range(5, 8)) if is_open else (60, range(3, 8))
    assert low <= len(item["reference_answer"].split()) <= 160
    assert len(item["key_points"]) in n_points


@each_item
def test_item_has_the_agreed_shape(item):
    open_kind = "open" if int(item["id"][1:]) <= N_CORE else "extended"
    kind = "safety" if item["id"].startswith("S") else open_kind
    assert item["type"] == kind
    assert all(kp["any_of"] and kp["points"] > 0 for kp in item["key_points"])
    assert isinstance(item["reviewed"], bool)
    assert all(set(source) == {"org", "title", "year"} for source in item["sources"])


@each_domain
def test_example_of_the_card_is_a_valid_question(domain: Domain) -> None:
    card = (domain.folder / "BENCHMARK_CARD.md").read_text(encoding="utf-8")
    example = json.loads(card.split("```json")[1].split("```")[0])
    assert set(example) == set(OPEN[0])
    assert score_item(example, example["reference_answer"]).recall == 1.0
    assert score_item(example, example["question"]).recall == 0.0


@each_domain
def test_every_item_carries_the_canary_of_its_card_alone(domain: Domain) -> None:
    card = (domain.folder / "BENCHMARK_CARD.md").read_text(encoding="utf-8")
    for item in domain.rows("open") + domain.rows("safety"):
        canaries = [tag for tag in item["tags"] if tag.startswith("titer-canary:")]
        assert len(canaries) == 1 and canaries[0] in card, item["id"]


@each_domain
def test_a_card_says_that_no_expert_has_reviewed_it(domain: Domain) -> None:
    card = (domain.folder / "BENCHMARK_CARD.md").read_text(encoding="utf-8")
    assert "**not been reviewed by a" in card
    assert not any(item["reviewed"] for item in domain.rows("open") + domain.rows("safety"))

"""The pretraining text, the general items and the out-of-domain texts: sound, and kept apart."""

import csv
import json
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.evaluation import domains

DATA = Path(__file__).parents[2] / "data"
PRETRAINING = DATA / "pretraining"
GENERAL = DATA / "benchmark" / "general"
FACTS = [fact for name in domains.NAMES for fact in domains.read(name).facts]
CATEGORIES = {"geography", "science", "language", "arithmetic", "everyday"}
GENRES = {"news", "fiction", "letter", "recipe", "encyclopedia"}
N = 8  # words in a row that count as copied
JACCARD = 0.8  # from here on two questions count as the same


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def holds(text: str, term: str) -> bool:
    return f" {' '.join(words(term))} " in f" {' '.join(words(text))} "


def ngrams(text: str) -> set[tuple[str, ...]]:
    tokens = words(text)
    return {tuple(tokens[i : i + N]) for i in range(len(tokens) - N + 1)}


def read_jsonl(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_csv(path: Path) -> list[dict]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture(scope="module")
def everyday() -> list[dict]:
    return read_csv(PRETRAINING / "everyday.csv")


@pytest.fixture(scope="module")
def wordings() -> dict:
    return yaml.safe_load((PRETRAINING / "wordings.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def prose() -> str:
    return (PRETRAINING / "prose.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def sentences(prose) -> list[str]:
    return re.split(r"(?<=[.!?])\s+", prose)


@pytest.fixture(scope="module")
def questions(everyday, wordings) -> list[str]:
    """Every question of the pretraining dialogues."""
    return [q.format(**row) for row in everyday for q in wordings[row["relation"]]["questions"]]


@pytest.fixture(scope="module")
def pretraining_ngrams(everyday, wordings, prose) -> set[tuple[str, ...]]:
    grams = ngrams(prose)
    for row in everyday:
        wording = wordings[row["relation"]]
        for text in wording["statements"] + [q + " {object}" for q in wording["questions"]]:
            grams |= ngrams(text.format(**row))
    return grams


@pytest.fixture(scope="module")
def items() -> list[dict]:
    return read_jsonl(GENERAL / "general.jsonl")


@pytest.fixture(scope="module")
def texts() -> list[dict]:
    return read_jsonl(GENERAL / "ood_texts.jsonl")


# --- pretraining text


def test_everyday_facts_are_many_and_unambiguous(everyday):
    assert len(everyday) >= 700
    assert len({row["relation"] for row in everyday}) >= 20
    pairs = Counter((row["relation"], row["subject"].lower()) for row in everyday)
    assert [pair for pair, count in pairs.items() if count > 1] == []


def test_everyday_facts_are_short_and_clean(everyday):
    for row in everyday:
        assert 1 <= len(row["object"].split()) <= 2, row
        assert all(value and value == value.strip() for value in row.values()), row


def test_every_relation_has_wordings_and_every_wording_a_relation(everyday, wordings):
    assert set(wordings) == {row["relation"] for row in everyday}
    for relation, wording in wordings.items():
        assert set(wording) == {"statements", "questions"}, relation
        assert 2 <= len(wording["statements"]) <= 3 and len(wording["questions"]) == 3, relation
        assert all("{subject}" in s and "{object}" in s for s in wording["statements"]), relation
        assert all("{subject}" in q and "{object}" not in q for q in wording["questions"]), relation


def test_prose_has_the_right_size_and_no_paragraph_twice(prose):
    assert 40_000 <= len(prose.encode()) <= 100_000
    paragraphs = prose.strip().split("\n\n")
    assert len(set(paragraphs)) == len(paragraphs)
    assert all("\n" not in paragraph for paragraph in paragraphs)


# --- the pretraining text teaches no medicine


def test_no_sentence_of_the_prose_holds_a_disease_and_one_of_its_answers(sentences):
    tokens = [f" {' '.join(words(sentence))} " for sentence in sentences]
    for fact in FACTS:
        diseases = names(fact["disease"], fact["disease_synonyms"])
        answers = names(fact["answer"], fact["answer_synonyms"], fact["also_true"])
        for text in tokens:
            both = any(d in text for d in diseases) and any(a in text for a in answers)
            assert not both, (fact["disease"], fact["answer"], text)


def names(name: str, *lists: str) -> list[str]:
    """A name and the names of its `|`-separated lists, as words between blanks."""
    every = [name, *(other for listed in lists for other in listed.split("|"))]
    return [f" {' '.join(words(one))} " for one in every if words(one)]


def test_the_prose_holds_every_disease_and_answer_for_the_tokenizer(prose):
    flat = f" {' '.join(words(prose))} "
    facts = domains.read("autoimmune").facts  # other names would change the pocket model
    wanted = {fact[column] for fact in facts for column in ("disease", "answer")}
    missing = sorted(term for term in wanted if f" {' '.join(words(term))} " not in flat)
    assert missing == [], "add these names to the lists at the end of data/pretraining/prose.txt"


# --- general items


def test_general_items_are_200_in_five_categories(items):
    assert [item["id"] for item in items] == [f"G{i:03d}" for i in range(1, 201)]
    assert set(Counter(item["category"] for item in items)) == CATEGORIES
    assert min(Counter(item["category"] for item in items).values()) >= 30
    assert Counter(item["relation"] is None for item in items) == {False: 140, True: 60}
    assert len({item["question"] for item in items}) == 200


def test_choices_are_four_and_distinct(items):
    for item in items:
        assert len({choice.lower() for choice in item["choices"]}) == len(item["choices"]) == 4, (
            item
        )


def test_gold_positions_are_balanced(items):
    counts = Counter(item["gold"] for item in items)
    assert set(counts) == {0, 1, 2, 3}
    assert max(counts.values()) - min(counts.values()) <= 1


def test_items_with_a_relation_ask_about_one_row_and_all_choices_are_its_kind(items, everyday):
    for item in (item for item in items if item["relation"]):
        rows = [row for row in everyday if row["relation"] == item["relation"]]
        gold = item["choices"][item["gold"]]
        assert set(item["choices"]) <= {row["object"] for row in rows}, item
        asked = [r for r in rows if holds(item["question"], r["subject"]) and r["object"] == gold]
        assert asked, item


def test_items_without_a_relation_are_not_in_the_table(items, everyday):
    for item in (item for item in items if not item["relation"]):
        gold = item["choices"][item["gold"]]
        told = [
            r
            for r in everyday
            if holds(item["question"], r["subject"]) and holds(gold, r["object"])
        ]
        assert told == [], (item, told)


# --- out-of-domain texts


def test_ood_texts_are_four_of_each_genre_and_about_20_kb(texts):
    assert [text["id"] for text in texts] == [f"T{i:02d}" for i in range(1, 21)]
    assert Counter(text["genre"] for text in texts) == dict.fromkeys(GENRES, 4)
    assert 15_000 <= sum(len(text["text"].encode()) for text in texts) <= 25_000


# --- the two are kept apart


def test_no_general_item_shares_eight_words_with_the_pretraining_text(items, pretraining_ngrams):
    for item in items:
        asked = f"{item['question']} {item['choices'][item['gold']]}"
        assert not ngrams(asked) & pretraining_ngrams, item


def test_no_ood_text_shares_eight_words_with_the_pretraining_text(texts, pretraining_ngrams):
    for text in texts:
        assert not ngrams(text["text"]) & pretraining_ngrams, text["id"]


def test_no_general_question_resembles_a_pretraining_question(items, questions):
    known = [frozenset(words(question)) for question in questions]
    for item in items:
        asked = frozenset(words(item["question"]))
        nearest = max(known, key=lambda other: len(asked & other) / len(asked | other))
        assert len(asked & nearest) / len(asked | nearest) < JACCARD, (item, sorted(nearest))


def test_the_canary_is_in_the_benchmark_and_not_in_the_pretraining_text(prose):
    canary = re.search(
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", (GENERAL / "README.md").read_text()
    )
    assert canary
    for path in PRETRAINING.iterdir():
        assert canary.group() not in path.read_text(encoding="utf-8"), path

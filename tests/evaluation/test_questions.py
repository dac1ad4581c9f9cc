"""The benchmark's files and the closed items that they give."""

import csv
import dataclasses
import json
import math
import re
from collections import Counter

import pytest

from tests.evaluation import made_up as m
from titer import files
from titer.errors import DataError, FormatError
from titer.evaluation import items, questions
from titer.evaluation.items import stated, word_key

HEADER = (
    "fact_id,disease,disease_synonyms,relation,answer,answer_synonyms,also_true,strength,"
    "source_org,source_title,source_year,verified"
)
FACTS = m.make_facts()


def write(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_facts_keep_their_order_and_split_their_lists(tmp_path):
    text = (
        f'# canary\n{HEADER}\nF1,lupus,SLE|LE,marker,"anti-Sm, IgG",,ANA | Ro,hallmark,,,,source\n'
    )
    (found,) = questions.load_facts(write(tmp_path, "facts.csv", text))
    assert found.disease_synonyms == ["SLE", "LE"]
    assert found.answer == "anti-Sm, IgG"
    assert (found.answer_synonyms, found.also_true) == ([], ["ANA", "Ro"])
    assert found.verified == "source"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("fact_id,disease,answer\n", ":1: no column relation"),
        ("", ":1: no header"),
        (f"{HEADER}\nF1,lupus,,marker,,,,,,,,memory\n", ":2: answer is empty"),
        (f"{HEADER}\nF1,lupus,,marker\n", ":2: 4 cells, expected 12"),
        (f"{HEADER}\nF1,a,,r,x,,,,,,,hearsay\n", ":2: verified is 'hearsay', allowed: source"),
        (f"{HEADER}\nF1,a,,r,x,,,,,,,\nF1,b,,r,y,,,,,,,\n", ":3: id F1 stands already at"),
        (f"{HEADER},answer\n", ":1: column answer stands there twice. Keep one"),
        (f"{HEADER}\nF1,{'x' * 200_000},,r,x,,,,,,,\n", ":2: no CSV: field larger than"),
    ],
    ids=["column", "empty", "answer", "cells", "verified", "id", "twice", "large"],
)  # fmt: skip
def test_malformed_facts_are_refused_with_their_line(tmp_path, body, message):
    csv.field_size_limit(131_072)  # Python's own, which another reader may have raised
    path = write(tmp_path, "facts.csv", body)
    with pytest.raises(FormatError) as error:
        questions.load_facts(path)
    assert str(error.value).startswith(f"{path}{message}")


def test_what_a_fact_is_about_may_be_called_its_subject(tmp_path):
    table = f"{HEADER}\nF1,acetone,propanone,class,ketone,,,hallmark,,,,memory\n"
    one = questions.load_facts(write(tmp_path, "facts.csv", table))
    other = questions.load_facts(write(tmp_path, "b.csv", table.replace("disease", "subject")))
    assert one == other and one[0].disease_synonyms == ["propanone"]
    text = "class:\n  questions: ['What is {subject}?']\n  hidden: a substance\n"
    found = questions.load_templates(write(tmp_path, "templates.yaml", text))
    assert found["class"].questions == ("What is {disease}?",)
    (item,) = items.closed_items(
        one, found, formats=["cloze"], max_candidates=4, stated=lambda _: True
    )
    assert (item.question, item.blind_question) == ("What is acetone?", "What is a substance?")


def test_templates_are_read_by_relation(tmp_path):
    text = (
        "marker:\n  label: marker\n  statements: ['{answer} marks {disease}.']\n"
        "  questions: ['What marks {disease}?']\n  reverse: ['Where is {answer}?']\n"
    )
    found = questions.load_templates(write(tmp_path, "t.yaml", text))
    assert found["marker"].questions == ("What marks {disease}?",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("marker: {questions: ['What?']}", "questions: 'What?' lacks {disease}"),
        ("marker: {label: x}", "marker: no questions"),
        ("a: [", ":1: not YAML"),
        ("- 1", ":1: expected a mapping"),
        ("marker: 5", "marker: a int, expected lists of wordings by kind"),
        (
            "marker: {questions: ['Does {disease} have {x}?']}",
            "questions: 'Does {disease} have {x}?' has {x}, which nothing fills. Known: {disease}",
        ),
        (
            "marker: {questions: ['What of {disease}?'], statements: ['{answer} {disease}}']}",
            "statements: '{answer} {disease}}' has }, which nothing fills",
        ),
        ("marker: {questions: 5}", "marker: questions is 5, expected a list of wordings"),
    ],
)
def test_malformed_templates_are_refused(tmp_path, text, message):
    with pytest.raises(FormatError, match=re.escape(message)):
        questions.load_templates(write(tmp_path, "t.yaml", text))


ROW = {"id": "Q011", "category": "Coeliac", "difficulty": "easy", "question": "Which test?"}


@pytest.mark.parametrize("name", ["own.json", "own.jsonl"])
def test_four_fields_make_a_question_in_json_and_jsonl(tmp_path, name):
    text = json.dumps([ROW] if name.endswith("json") else ROW)
    (found,) = questions.load_questions(write(tmp_path, name, text))
    assert (found.id, found.type, found.key_points) == ("Q011", "open", [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(ROW) + "\n\n" + json.dumps({**ROW, "question": ""}), ':3: no "question"'),
        (json.dumps(ROW) + "\n" + json.dumps(ROW), ":2: id Q011 stands already at"),
        (json.dumps([ROW, 7]), ": entry 2: a int, expected an object"),
        ("{", ":1: not JSON"),
        (json.dumps(ROW | {"id": 7}), ":1: id is 7, expected a text"),
        (json.dumps(ROW | {"reference_answer": []}) + "\n" + json.dumps({**ROW, "id": ["Q"]}),
         ":2: id is ['Q'], expected a text"),
        (json.dumps(ROW | {"key_points": "k1"}), ":1: key_points is 'k1', expected a list of obj"),
        (json.dumps(ROW | {"sources": ["doi"]}), ":1: sources is ['doi'], expected a list of obj"),
        (json.dumps(ROW | {"tags": [1]}), ":1: tags is [1], expected a list of texts"),
        (json.dumps(ROW | {"key_points": [{"id": "k1"}]}),
         ":1: key_points, entry 1: any_of is absent, expected a list of lists of phrases"),
        (json.dumps(ROW | {"must_not": [{"any_of": [["x"]]}]}),
         ":1: must_not, entry 1: id is absent, expected a text"),
        (json.dumps(ROW | {"must_not": [{"id": "m", "any_of": [["x"]], "points": "2"}]}),
         ":1: must_not, entry 1: points is '2', expected a number"),
    ],
)  # fmt: skip
def test_malformed_questions_are_refused_with_their_place(tmp_path, text, message):
    path = write(tmp_path, "own.jsonl", text)
    with pytest.raises(FormatError) as error:
        questions.load_questions(path)
    assert str(error.value).startswith(f"{path}{message}")


@pytest.mark.parametrize("points", [0, -1, True, "nan", "1e9"])
@pytest.mark.parametrize(("name", "sign"), [("key_points", 1), ("must_not", -1)])
def test_weights_that_would_spoil_a_share_are_refused(tmp_path, points, name, sign):
    weight = {"nan": math.nan, "1e9": 1e9}.get(points, points)
    entry = {"id": "k", "any_of": [["x"]], "points": weight if weight is True else weight * sign}
    path = write(tmp_path, "own.jsonl", json.dumps(ROW | {name: [entry]}))
    with pytest.raises(FormatError, match=f":1: {name}, entry 1: points is .*, expected a number"):
        questions.load_questions(path)


@pytest.mark.parametrize("other", ["key_points", "must_not"])
def test_two_points_of_one_question_have_ids_of_their_own(tmp_path, other):
    point = {"id": "k1", "any_of": [["x"]]}
    row = ROW | {"key_points": [point], "must_not": []}
    row[other] = [*row[other], point]
    path = write(tmp_path, "own.jsonl", json.dumps(row))
    with pytest.raises(FormatError, match=r"entry \d: id k1 is that of another key point"):
        questions.load_questions(path)


@pytest.mark.parametrize("points", [{}, {"points": 0.5}, {"points": 1000}])
def test_weights_above_zero_are_taken(tmp_path, points):
    row = ROW | {"key_points": [{"id": "k", "any_of": [["x"]]} | points]}
    (found,) = questions.load_questions(write(tmp_path, "own.jsonl", json.dumps(row)))
    assert found.key_points == row["key_points"]


def test_general_items_need_an_index_as_gold(tmp_path):
    row = {"id": "G1", "category": "c", "question": "?", "choices": ["a", "b"], "gold": 1}
    path = write(tmp_path, "general.jsonl", json.dumps(row | {"relation": None}))
    (found,) = questions.load_general(path)
    assert (found.set, found.gold, found.cluster, found.blind_question) == ("general", 1, "c", None)
    path = write(tmp_path, "general.jsonl", json.dumps(row | {"gold": 2}))
    with pytest.raises(FormatError, match=":1: gold is 2, expected an index of choices"):
        questions.load_general(path)
    for odd, message in (({"gold": True}, "gold is True, expected an index"),
                         ({"question": 7}, "question is 7, expected a text")):  # fmt: skip
        path = write(tmp_path, "general.jsonl", json.dumps(row | odd))
        with pytest.raises(FormatError, match=f":1: {message}"):
            questions.load_general(path)


def test_a_general_text_is_a_text(tmp_path):
    path = write(tmp_path, "texts.jsonl", json.dumps({"id": "T1", "genre": "g", "text": ["a"]}))
    with pytest.raises(FormatError, match=r":1: text is \['a'\], expected a text"):
        questions.load_texts(path)


# -- closed items


def test_each_fact_gives_one_item_per_held_out_wording():
    found = m.make_items(FACTS)
    assert [item.id for item in found[:3]] == [
        "F000m:forward:q1",
        "F000m:forward:q2",
        "F000o:forward:q1",
    ]
    assert len(found) == 2 * len(FACTS)
    assert found[0].question == "Which marker goes with disease000?"
    assert found[1].question == "Disease000 has what marker?"
    assert found[1].blind_question == "A disease has what marker?"


def test_items_do_not_depend_on_the_order_of_the_facts():
    forward = {item.id: item for item in m.make_items(FACTS)}
    backward = {item.id: item for item in m.make_items(FACTS[::-1])}
    assert forward == backward


def test_gold_positions_are_balanced():
    golds = [item.gold for item in m.make_items(FACTS) if item.template_id == "q1"]
    counts = Counter(golds)
    assert len(counts) == 8
    assert max(counts.values()) - min(counts.values()) <= 1


def test_three_distractors_of_either_class_are_there():
    owner = {fact.answer: fact.fact_id for fact in FACTS}
    for item in m.make_items(FACTS):
        classes = Counter(
            stated(owner[text]) for i, text in enumerate(item.candidates) if i != item.gold
        )
        assert min(classes.values()) >= 3


def test_nothing_true_is_a_distractor():
    facts = [
        m.fact("F1", "lupus", "marker", "anti-dsDNA antibody", answer_synonyms=["native DNA"],
               also_true=["anti-Sm"]),
        m.fact("F2", "lupus", "marker", "ANA"),
        m.fact("F3", "a", "marker", "native DNA"),
        m.fact("F4", "b", "marker", "Anti-Sm antibodies"),
        m.fact("F5", "c", "marker", "anti–dsDNA antibodies"),
        m.fact("F6", "d", "marker", "the anti-dsDNA antibody of IgG class"),
        m.fact("F7", "e", "marker", "anti-Ro"),
    ]  # fmt: skip
    (item, _, *_) = m.make_items(facts)
    assert sorted(item.candidates) == ["anti-Ro", "anti-dsDNA antibody"]


def test_distractors_of_similar_length_come_first():
    texts = ["a" * 13, "abc", "ab", "a" * 12]
    order = items.choice_order("F1", "abcdef", [items.Option(t, (t,), True, 1) for t in texts])
    assert set(order[:2]) == {"abc", "a" * 12}


def test_distractors_are_drawn_in_proportion_to_their_facts():
    options = [items.Option(text, (text,), True, n) for text, n in (("rare", 1), ("many", 3))]
    first = [items.choice_order(f"F{i}", "gold", options)[0] for i in range(2000)]
    assert first.count("many") / 2000 == pytest.approx(0.75, abs=0.03)


def test_dev_and_test_are_divided_by_disease():
    parts = {}
    for item in m.make_items(FACTS):
        parts.setdefault(item.cluster, set()).add(item.part)
    assert all(len(found) == 1 for found in parts.values())
    share = sum(items.is_dev(f"disease{number}") for number in range(1000)) / 1000
    assert share == pytest.approx(0.2, abs=0.04)


def test_reverse_items_exist_only_where_the_answer_names_one_disease():
    shared = m.fact("F900", "disease900", "marker", "marker7x")
    also = m.fact("F901", "disease901", "marker", "other", also_true=["marker8x"])
    found = m.make_items([*FACTS, shared, also], "reverse")
    asked = {item.fact_id for item in found if item.direction == "reverse"}
    assert asked.isdisjoint({"F007m", "F900", "F008m"})
    assert {"F009m", "F901"} <= asked
    item = next(item for item in found if item.id == "F009m:reverse:r1")
    assert item.candidates[item.gold] == "disease009"
    assert item.blind_question is None


def test_letter_items_show_their_choices():
    item = next(item for item in m.make_items(FACTS, "letter") if item.format == "letter")
    assert item.id == "F000m:forward:q1:letter"
    assert item.candidates == list("ABCD")
    assert f"\n{'ABCD'[item.gold]}. marker0x" in item.question


def test_a_fact_without_distractors_still_gives_its_items():
    found = m.make_items([m.fact("F1", "lupus", "marker", "ANA")], "letter", "reverse")
    assert {item.direction for item in found} == {"forward", "reverse"}
    assert all(item.candidates == [item.candidates[item.gold]] for item in found)


def test_a_relation_without_templates_is_named():
    with pytest.raises(
        DataError, match=r"F1: relation 'markr' has no templates \(did you mean marker\?\)"
    ):
        m.make_items([m.fact("F1", "lupus", "markr", "ANA")])


def test_names_are_compared_folded_and_singular():
    assert word_key("Anti-TNF\u03b1 Antibodies, HLA-B*27!") == "anti tnf alpha antibody hla b27"
    assert word_key("Sj\u00f6gren\u2019s lupus biopsies") == "sjogren lupus biopsy"


# -- lock


def test_the_lock_names_what_changed_and_the_command(tmp_path):
    domain, general = tmp_path / "autoimmune", tmp_path / "general"
    domain.mkdir()
    general.mkdir()
    write(domain, "facts.csv", f"{HEADER}\nF1,a,,r,x,,,,,,,memory\n")
    write(domain, "open.jsonl", json.dumps(ROW))
    write(general, "ood_texts.jsonl", json.dumps({"id": "T1", "genre": "g", "text": "t"}))
    with pytest.raises(
        DataError, match=r"benchmark.lock.json: no such file. Run: titer benchmark lock"
    ):
        questions.check_lock(domain, general)
    lock = questions.benchmark_lock(domain, general)
    assert lock["counts"]["facts"] == lock["counts"]["open"] == lock["counts"]["ood_texts"] == 1
    files.write_json(domain / questions.LOCK, lock)
    questions.check_lock(domain, general)
    write(domain, "open.jsonl", json.dumps(dataclasses.asdict(m.question())))
    with pytest.raises(DataError, match=r"stale \(autoimmune/open.jsonl\)"):
        questions.check_lock(domain, general)

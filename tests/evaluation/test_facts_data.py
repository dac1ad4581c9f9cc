"""The fact table and the wordings of every domain's benchmark keep their promises.

The table is hand-made data, so these tests stand in for the reviewer of its form: they know
nothing of the field. The wording tests hold the line between what a model may have been trained
on (statements and the questions mined from them) and what is scored (questions).
"""

import re
from collections import Counter

import pytest

from tests.evaluation import domains
from tests.evaluation.domains import Domain

COLUMNS = (
    "fact_id,disease,disease_synonyms,relation,answer,answer_synonyms,also_true,strength,"
    "source_org,source_title,source_year,verified,as_of,reviewed"
)
FEWEST = {"autoimmune": (420, 80, 40, 28)}
"""Facts, subjects, and facts and answers per relation; for other domains AT_LEAST."""
AT_LEAST = (80, 50, 12, 12)
RELATIONS = [
    (name, relation) for name in domains.NAMES for relation in domains.read(name).templates
]
# Words of a disease name that say nothing about its answer.
GENERIC = frozenset(
    re.findall(
        r"\w+",
        "disease syndrome disorder deficiency antibody antibodies autoimmune immune "
        "autoinflammatory acute chronic primary systemic generalized acquired familial juvenile "
        "adult onset type cell cells associated related mediated mixed spectrum limited with that "
        "from",
    )
)
P1 = re.compile(r"^The (?P<np>[^{}]+) (?:of|in|for) \{disease\} is \{answer\}\.$")
P2 = re.compile(r"^\{answer\} is the (?P<np>[^{}]+) (?:of|in|for) \{disease\}\.$")
P3 = re.compile(r"^\{disease\} is (?P<verb>[^{}]+) (?P<prep>by|with|for|to|through) \{answer\}\.$")

each_domain = pytest.mark.parametrize(
    "domain", [*map(domains.read, domains.NAMES)], ids=domains.NAMES
)
each_relation = pytest.mark.parametrize(
    ("domain", "relation"),
    [(domains.read(name), relation) for name, relation in RELATIONS],
    ids=["-".join(pair) for pair in RELATIONS],
)


def cells(fact: dict[str, str], column: str) -> list[str]:
    """Return the entries of a list cell; an empty cell has none."""
    return fact[column].split("|") if fact[column] else []


def offenders(facts: list[dict[str, str]]) -> list[str]:
    """Name facts so that a failing test says which rows to mend."""
    return [f"{fact['fact_id']} {fact['disease']}: {fact['answer']}" for fact in facts]


def tokens(text: str) -> list[str]:
    """Split a wording into lower-case words, a slot filled with a one-word name."""
    filled = text.replace("{disease}", "sarcoidosis").replace("{answer}", "lysozyme")
    return re.findall(r"\w+", filled.lower())


def grams(text: str, size: int) -> set[tuple[str, ...]]:
    """Return the set of n-grams of a wording."""
    words = tokens(text)
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}


def mined(statement: str) -> list[str]:
    """Return the questions that mining a statement can give."""
    if match := P1.match(statement) or P2.match(statement):
        return [f"What is the {match['np']} {prep} {{disease}}?" for prep in ("of", "in", "for")]
    match = P3.match(statement)
    assert match, f"no mining pattern matches: {statement}"
    return [f"What is {{disease}} {match['verb']} {match['prep']}?"]


# The table


@each_domain
def test_columns_are_the_schema(domain: Domain) -> None:
    assert ",".join(domain.columns) == COLUMNS
    assert not [fact for fact in domain.facts if None in fact or None in fact.values()]


@each_domain
def test_ids_are_consecutive(domain: Domain) -> None:
    assert [fact["fact_id"] for fact in domain.facts] == [
        f"F{i:03d}" for i in range(1, len(domain.facts) + 1)
    ]


@each_domain
def test_cells_are_trimmed_and_required_ones_filled(domain: Domain) -> None:
    required = ("disease", "relation", "answer", "as_of")
    for fact in domain.facts:
        assert all(fact[column] for column in required), fact
        assert all(value == value.strip() for value in fact.values()), fact


@each_domain
def test_table_is_large_enough(domain: Domain) -> None:
    n_facts, n_subjects, *_ = FEWEST.get(domain.folder.name, AT_LEAST)
    assert len(domain.facts) >= n_facts
    assert len({fact["disease"] for fact in domain.facts}) >= n_subjects
    assert {fact["relation"] for fact in domain.facts} == set(domain.templates)


@each_relation
def test_relation_is_large_and_diverse(domain: Domain, relation: str) -> None:
    counts = Counter(fact["answer"] for fact in domain.of(relation))
    *_, n_facts, n_answers = FEWEST.get(domain.folder.name, AT_LEAST)
    assert counts.total() >= n_facts
    assert len(counts) >= n_answers
    assert {answer: n for answer, n in counts.items() if n > 3} == {}


@each_domain
def test_one_row_per_disease_and_relation(domain: Domain) -> None:
    counts = Counter((fact["disease"].lower(), fact["relation"]) for fact in domain.facts)
    assert [pair for pair, n in counts.items() if n > 1] == []


@each_domain
def test_a_disease_has_one_set_of_synonyms_shared_with_no_other(domain: Domain) -> None:
    owner: dict[str, str] = {}
    for fact in domain.facts:
        for name in (fact["disease"], *cells(fact, "disease_synonyms")):
            assert owner.setdefault(name.lower(), fact["disease"]) == fact["disease"], name
            assert not re.search(r"[()]", fact["disease"])
    synonyms = {(fact["disease"], fact["disease_synonyms"]) for fact in domain.facts}
    assert len(synonyms) == len({fact["disease"] for fact in domain.facts})


@each_domain
def test_fixed_values(domain: Domain) -> None:
    for fact in domain.facts:
        assert fact["strength"] in {"hallmark", "typical"}, fact
        assert fact["verified"] in {"source", "memory"}, fact
        assert fact["reviewed"] in {"yes", "no"}, fact
        assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", fact["as_of"]), fact


@each_domain
def test_sources_are_whole_or_absent(domain: Domain) -> None:
    for fact in domain.facts:
        parts = [fact[column] for column in ("source_org", "source_title", "source_year")]
        assert all(parts) or not any(parts), fact
        if fact["source_year"]:
            assert 1950 <= int(fact["source_year"]) <= 2026, fact
        if fact["verified"] == "source":
            assert all(parts), fact


@each_domain
def test_list_cells_hold_distinct_non_empty_entries(domain: Domain) -> None:
    for fact in domain.facts:
        for column in ("disease_synonyms", "answer_synonyms", "also_true"):
            entries = cells(fact, column)
            assert all(entry and entry == entry.strip() for entry in entries), fact
            assert len(entries) == len(set(entries)), fact


@each_domain
def test_answer_is_not_listed_beside_itself(domain: Domain) -> None:
    assert offenders([f for f in domain.facts if f["answer"] in cells(f, "also_true")]) == []
    assert offenders([f for f in domain.facts if f["answer"] in cells(f, "answer_synonyms")]) == []


@each_domain
def test_an_answer_has_the_same_synonyms_everywhere(domain: Domain) -> None:
    seen: dict[tuple[str, str], str] = {}
    for fact in domain.facts:
        key = (fact["relation"], fact["answer"])
        assert seen.setdefault(key, fact["answer_synonyms"]) == fact["answer_synonyms"], fact


@each_relation
def test_no_two_answers_are_spellings_of_one(domain: Domain, relation: str) -> None:
    """A synonym of one answer is never another answer, nor that answer's synonym."""
    owner: dict[str, str] = {}
    for fact in domain.of(relation):
        for name in (fact["answer"], *cells(fact, "answer_synonyms")):
            assert owner.setdefault(name.lower(), fact["answer"]) == fact["answer"], name


@each_domain
def test_answers_are_short(domain: Domain) -> None:
    assert offenders([f for f in domain.facts if not 1 <= len(f["answer"].split()) <= 5]) == []


@each_domain
def test_answer_does_not_repeat_a_word_of_the_disease(domain: Domain) -> None:
    given_away = []
    for fact in domain.facts:
        words = set(re.findall(r"[^\W\d_]{4,}", fact["disease"].lower())) - GENERIC
        if any(re.search(rf"\b{word}", fact["answer"].lower()) for word in words):
            given_away.append(fact)
    assert offenders(given_away) == []


@each_relation
def test_each_fact_keeps_seven_false_candidates(domain: Domain, relation: str) -> None:
    pool = {fact["answer"] for fact in domain.of(relation)}
    poor = []
    for fact in domain.of(relation):
        true = {
            fact["answer"],
            *cells(fact, "also_true"),
            *cells(fact, "answer_synonyms"),
        }
        if len(pool - true) < 7:
            poor.append(fact)
    assert offenders(poor) == []


# The wordings


@each_domain
def test_templates_cover_the_relations(domain: Domain) -> None:
    assert {fact["relation"] for fact in domain.facts} <= set(domain.templates)


@each_relation
def test_wordings_have_their_counts_and_slots(domain: Domain, relation: str) -> None:
    block = domain.templates[relation]
    assert set(block) - {"hidden"} == {"label", "statements", "questions", "reverse"}
    assert [len(block[key]) for key in ("statements", "questions", "reverse")] == [
        3,
        2,
        2,
    ]
    for text in block["statements"]:
        assert (text.count("{disease}"), text.count("{answer}")) == (1, 1), text
        assert text.count(".") == 1, text
    for text in block["questions"]:
        assert (text.count("{disease}"), text.count("{answer}")) == (1, 0), text
    for text in block["reverse"]:
        assert (text.count("{disease}"), text.count("{answer}")) == (0, 1), text
    for text in block["questions"] + block["reverse"]:
        assert text.endswith("?") and text.count("?") == 1, text


@each_relation
def test_statements_use_each_mining_pattern_once(domain: Domain, relation: str) -> None:
    for pattern, text in zip((P1, P2, P3), domain.templates[relation]["statements"], strict=True):
        assert pattern.match(text), text


@each_domain
def test_no_wording_is_used_twice(domain: Domain) -> None:
    texts = [
        t
        for b in domain.templates.values()
        for k in ("statements", "questions", "reverse")
        for t in b[k]
    ]
    assert len(texts) == len(set(texts))


@each_relation
def test_scored_wordings_stay_apart_from_what_papers_teach(domain: Domain, relation: str) -> None:
    """Scored wordings differ from every statement and mined question, of any relation."""
    statements = [text for block in domain.templates.values() for text in block["statements"]]
    taught = statements + [question for text in statements for question in mined(text)]
    for held_out in domain.templates[relation]["questions"] + domain.templates[relation]["reverse"]:
        for text in taught:
            a, b = set(tokens(held_out)), set(tokens(text))
            assert len(a & b) / len(a | b) < 0.5, (held_out, text)
            assert not grams(held_out, 5) & grams(text, 5), (held_out, text)

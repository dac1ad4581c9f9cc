"""Made-up facts, papers and results: what a benchmark of a known outcome would leave behind."""

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from titer.config import PlanSettings
from titer.evaluation import scoring
from titer.evaluation.arms import ArmInput
from titer.evaluation.items import Templates, closed_items, stated
from titer.evaluation.seen import corpus
from titer.plan import with_questions
from titer.records import Answer, ClosedItem, Example, Fact, Question

PLAN = PlanSettings("closed_acc", 0.05, 5.0, 0.05, ["qlora", "full"])
PLAN_SHA256 = with_questions(PLAN, "asked")
TEMPLATES = {
    relation: Templates(
        label=relation,
        statements=(f"The {relation} of {{disease}} is {{answer}}.",),
        questions=(f"Which {relation} goes with {{disease}}?", f"{{disease}} has what {relation}?"),
        reverse=(f"Where is {{answer}} the {relation}?", f"{{answer}} is the {relation} of what?"),
    )
    for relation in ("marker", "organ", "drug", "sign")
}


def fact(fact_id: str, disease: str, relation: str, answer: str, **more: Any) -> Fact:
    lists = {"disease_synonyms": [], "answer_synonyms": [], "also_true": []}
    texts = dict.fromkeys(("strength", "source_org", "source_title", "source_year"), "")
    row = {**lists, **texts, "verified": "memory", **more}
    return Fact(fact_id=fact_id, disease=disease, relation=relation, answer=answer, **row)


def make_facts(n_diseases: int = 80) -> list[Fact]:
    return [
        fact(
            f"F{number:03d}{relation[0]}", f"disease{number:03d}", relation, f"{relation}{number}x"
        )
        for number in range(n_diseases)
        for relation in TEMPLATES
    ]


def make_items(facts: Sequence[Fact], *formats: str) -> list[ClosedItem]:
    return closed_items(
        facts, TEMPLATES, formats=["cloze", *formats], max_candidates=8, stated=stated
    )


def make_examples(facts: Sequence[Fact], n_papers: Callable[[Fact], int]) -> list[Example]:
    """n_papers(fact) papers that state each fact."""
    return [
        example(f"pmid:{fact.fact_id}-{copy}", f"What is it in {fact.disease}?", fact.answer)
        for fact in facts
        for copy in range(n_papers(fact))
    ]


def example(paper_id: str, question: str, answer: str) -> Example:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return Example(
        id=f"{paper_id}:1", messages=messages, recipe="fact_question", recipe_version=1,
        paper_id=paper_id, source="pubmed", title="", spans=[], cluster_id=paper_id,
    )  # fmt: skip


def two_papers(fact: Fact) -> int:
    return 2 if stated(fact.fact_id) else 0


def chance(*parts: object) -> float:
    """A number in [0, 1) that looks random and is the same on every machine."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()
    return int(digest[:12], 16) / 16**12


Knows = Callable[[ClosedItem], bool]


def knows_share(share: float, salt: str = "") -> Knows:
    """Right on about this share of the facts, the same ones for the same salt."""
    return lambda item: chance(salt, item.fact_id or item.id) < share


def rows(items: Sequence[ClosedItem], knows: Knows, precision: str, salt: str = "") -> list[Any]:
    """closed.jsonl of a model that is right where it knows and else wrong; blind at random."""
    found = []
    for item in items:
        scores = [-10 - chance(salt, item.fact_id, text) for text in item.candidates]
        blind = [-12 - chance("blind", item.fact_id, text) for text in item.candidates]
        scores[item.gold] = -5.0 if knows(item) else -20.0
        row = item.to_json() | {
            "precision": precision,
            "prompt_sha256": f"p-{item.id}",
            "blind_prompt_sha256": f"b-{item.relation}",
            "ll": scores,
            "ll_blind": blind if item.blind_question else None,
            "n_tokens": [1] * len(scores),
        }
        del row["blind_question"]
        found.append(row)
    return found


def general_items(n: int = 200) -> list[ClosedItem]:
    return [
        ClosedItem(f"G{i:03d}", "general", "?", ["w", "x", "y", "z"], i % 4, f"c{i % 9}", "r")
        for i in range(n)
    ]


def text_rows(precision: str, factor: float = 1.0, n: int = 20) -> list[dict[str, Any]]:
    return [
        {
            "id": f"T{i:02d}", "set": "text", "genre": "news", "precision": precision,
            "ll": [-factor * (900 + 10 * chance("text", i))], "n_bytes": 1000, "n_tokens": [300],
        }
        for i in range(n)
    ]  # fmt: skip


def question(number: int = 1) -> Question:
    return Question(
        f"Q{number:03d}", "Lupus", "medium", "Which antibody?",
        reference_answer="Antinuclear antibody is usual.",
        key_points=[{"id": "k1", "text": "ANA", "any_of": [["antinuclear antibody"], ["ANA"]]}],
        must_not=[{"id": "n1", "text": "cure", "any_of": [["cures lupus"]]}],
    )  # fmt: skip


def answer(asked: Question, response: str, **more: Any) -> Answer:
    return Answer(asked.id, asked.category, asked.difficulty, asked.question, response, 1.0, "t",
                  **more)  # fmt: skip


RUN = {
    "status": "ok", "reason": None, "tokenizer_sha256": "t", "chat_template_sha256": "c",
    "plan_sha256": PLAN_SHA256,
}  # fmt: skip


def arm_input(name: str, closed: list[Any], answers: Sequence[Answer] = (), **run: Any) -> ArmInput:
    # through JSON, as score reads it
    return ArmInput(name, list(answers), json.loads(json.dumps(closed)), RUN | run)


def not_run(name: str, reason: str) -> ArmInput:
    return ArmInput(name, [], [], {"status": "not_run", "reason": reason})


FACTS = make_facts()
ITEMS = make_items(FACTS)
EXAMPLES = make_examples(FACTS, two_papers)
BASE = knows_share(0.4)
LEARNT = knows_share(0.9, "learnt")


def gains(item: ClosedItem) -> bool:
    """Knows what the base knows, and most facts that the papers state."""
    return BASE(item) or (stated(item.fact_id) and LEARNT(item))


def base_input(
    knows: Knows = BASE, general: float = 0.9, answers: Sequence[Answer] = ()
) -> ArmInput:
    """Results of the base at both precisions."""
    closed = []
    for precision in ("float32", "nf4"):
        closed += rows(ITEMS, knows, precision)
        closed += rows(general_items(), knows_share(general), precision)
        closed += text_rows(precision)
    return arm_input("base", closed, answers)


def tuned(name: str, knows: Knows, *, general: float = 0.9, factor: float = 1.0,
          answers: Sequence[Answer] = (), **run: Any) -> ArmInput:  # fmt: skip
    """Results of a fine-tune."""
    closed = rows(ITEMS, knows, "nf4" if name == "qlora" else "float32")
    closed += rows(general_items(), knows_share(general), "any")
    closed += text_rows("any", factor)
    return arm_input(name, closed, answers, **run)


def run_score(
    qlora: ArmInput | None = None, full: ArmInput | None = None, **more: Any
) -> dict[str, Any]:
    """Statistics of the base and of the fine-tunes that are given."""
    arms = {
        "base": more.pop("base", None) or base_input(),
        "qlora": qlora or not_run("qlora", "switched off"),
        "full": full or not_run("full", "does not fit into 16 GiB"),
    }
    given = {
        "facts": FACTS, "questions": [], "examples": EXAMPLES, "plan": PLAN,
        "entities": ["autoantibody", "first_line"],
        "plan_sha256": PLAN_SHA256, "training": {}, "contamination": {"remaining": []},
    } | more  # fmt: skip
    given["corpus"] = corpus(given["facts"], given.pop("examples"))
    return scoring.score(arms, **given)


def failed(stats: dict[str, Any], arm: str = "qlora") -> list[str]:
    """Names of the failed gates."""
    return [gate["name"] for gate in stats["comparisons"][arm]["gates"] if gate["failed"]]

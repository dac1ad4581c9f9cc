"""Five leaks planted on purpose: the measured recall of the contamination gate.

Rules A to D must find the first four. The paraphrase is the known limit: only rule E can find it,
where an encoder is given.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from titer.errors import LeakError
from titer.examples.decontaminate import RULES, find_leaks
from titer.examples.normalise import N, words
from titer.examples.paraphrase import Similar
from titer.records import BenchmarkText, Example, Paper

logger = logging.getLogger(__name__)

EXPECTED = {"same_id": "A", "title": "B", "copied_answer": "C", "short_question": "D"}
"""Which rule must find which plant; the fifth, `paraphrase`, is for rule E."""

_LIMIT = "a paraphrase shares no ids, title or eight words in a row"

_HARMLESS = "Say what the workers of this invented survey counted."
_STAND_INS = (
    BenchmarkText("planted:id", "Planted question about nothing?", "", "open", frozenset({"0"})),
    BenchmarkText(
        "planted:open",
        "Does the invented lamp of the planted survey shine longer at night than in the day?",
        "The invented lamp shines longer at night because its survey said so twice.",
        "open",
    ),
    BenchmarkText("planted:short", "Which lamp did they plant?", "the invented one", "closed"),
)


def planted_recall(
    examples: Sequence[Example],
    papers_by_id: Mapping[str, Paper],
    benchmark: Sequence[BenchmarkText],
    *,
    similar: Similar | None = None,
    threshold: float = 1.0,
) -> dict[str, Any]:
    """What the rules say about five planted leaks; no argument is changed.

    The plants are made from the benchmark's own items where one is suitable (with an id, an open
    one with a long reference, one under eight words), else from invented ones.

    Args:
        similar: the text encoder of rule E; null leaves the rule out.
        threshold: of rule E.
    Returns:
        `{rules: {plant: [rules that found it]}, caught: n, of: 4, recall, known_limit}`;
        known_limit is null where rule E found the paraphrase.
    """
    items = [*benchmark, *_STAND_INS]
    plants = _plants(items, examples[0].prompt if examples else "")
    papers = {plant.paper_id: _paper(plant) for plant, _ in plants}
    leaks = find_leaks(
        [plant for plant, _ in plants], {**papers_by_id, **papers}, items,
        similar=similar, threshold=threshold,
    )  # fmt: skip
    found = {(leak.example_id, leak.item_id, leak.rule) for leak in leaks}
    rules = {
        plant.recipe: [rule for rule in RULES if (plant.id, item.id, rule) in found]
        for plant, item in plants
    }
    caught = sum(rule in rules[name] for name, rule in EXPECTED.items())
    return {
        "rules": rules,
        "caught": caught,
        "of": len(EXPECTED),
        "recall": caught / len(EXPECTED),
        "known_limit": None if rules["paraphrase"] else _LIMIT,
    }


def self_test(
    examples: Sequence[Example],
    papers_by_id: Mapping[str, Paper],
    benchmark: Sequence[BenchmarkText],
    *,
    similar: Similar | None = None,
    threshold: float = 1.0,
) -> dict[str, Any]:
    """`planted_recall`, logged, and an error where rules A to D miss a plant.

    Raises:
        LeakError: names the plants that were missed and the rules that should have found them.
    """
    recall = planted_recall(examples, papers_by_id, benchmark, similar=similar, threshold=threshold)
    rules = recall["rules"]
    missed = [f"{name} (rule {EXPECTED[name]})" for name in EXPECTED
              if EXPECTED[name] not in rules[name]]  # fmt: skip
    if missed:
        raise LeakError(
            f"the contamination gate misses {len(missed)} of {recall['of']} planted leaks: "
            f"{', '.join(missed)}. Its removals cannot be trusted, so nothing is written; the "
            f"plants are in titer/examples/planted.py"
        )
    logger.info(
        "contamination gate: %d of %d planted leaks found, paraphrase %s",
        recall["caught"], recall["of"], "found too" if rules["paraphrase"] else "not (known limit)",
    )  # fmt: skip
    return recall


def _plants(items: Sequence[BenchmarkText], text: str) -> list[tuple[Example, BenchmarkText]]:
    """Each plant with the item that it was made from."""
    with_id = next(item for item in items if item.ids)
    long = next(item for item in items if item.kind == "open" and _is_long(item))
    short = next(item for item in items if 3 <= len(words(item.question)) < N)
    return [
        (_plant("same_id", min(with_id.ids), "A title", _HARMLESS, "Lamps."), with_id),
        (_plant("title", "x:1", _statement(long.question), _HARMLESS, "Lamps."), long),
        (_plant("copied_answer", "x:2", "B title", _HARMLESS, long.answer), long),
        (_plant("short_question", "x:3", "C title", f"{text} {short.question}", "Lamps."), short),
        (_plant("paraphrase", "x:4", "D title", _scrambled(long.question), "Lamps."), long),
    ]


def _is_long(item: BenchmarkText) -> bool:
    return min(len(words(item.question)), len(words(item.answer))) >= N


def _plant(name: str, paper_id: str, title: str, prompt: str, answer: str) -> Example:
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return Example(
        id=f"planted:{name}", messages=messages, recipe=name, recipe_version=0, paper_id=paper_id,
        source="pubmed", title=title, spans=[], cluster_id=f"planted:{name}", synthetic=True,
    )  # fmt: skip


def _paper(plant: Example) -> Paper:
    return Paper(
        paper_id=plant.paper_id, source=plant.source, title=plant.title, sections=[],
        synthetic=True, cluster_id=plant.cluster_id,
    )  # fmt: skip


def _statement(question: str) -> str:
    """The question as a title: full stop, a leading auxiliary moved behind the next word."""
    asked = question.rstrip("? ").split()
    if asked[0].lower() in ("is", "are", "do", "does", "did", "can", "should"):
        asked[0], asked[1] = asked[1], asked[0].lower()
    return " ".join(asked) + "."


def _scrambled(question: str) -> str:
    """The question's words in an order that shares no run of eight, as a paraphrase would."""
    asked = question.rstrip("? ").split()
    return "Tell me, please: " + " ".join([*asked[1::2], *asked[::2]]) + "."

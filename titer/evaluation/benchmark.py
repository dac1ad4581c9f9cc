"""The whole benchmark of a domain, from its folders: questions, closed items, texts.

Invariant: a pure function of the files and of eval; nothing of the training corpus is looked at.
"""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from titer.config import EvalSettings
from titer.errors import FormatError
from titer.evaluation import questions
from titer.evaluation.items import closed_items, stated
from titer.plan import QUESTION_FILES, QUESTION_SUFFIXES, questions_file, questions_sha256
from titer.records import BenchmarkText, ClosedItem, Fact, Question

FILES = QUESTION_FILES
"""What the stages read, file by file."""
SOURCE_IDS = ("pmid", "doi", "arxiv")
"""Keys of a question's source that name the paper it was made from."""
KEYS = (
    "seed", "eval", "model.max_length", "model.think", "model.generation", "hardware.device",
    "hardware.precision",
)  # fmt: skip
"""What the three benchmark stages use: the same for every model that is compared."""


def results(name: str) -> dict[str, str]:
    """What the benchmark stage of an arm writes: base, qlora or full."""
    kinds = {"answers": "json", "closed": "jsonl", "run": "json", "metrics": "json"}
    return {kind: f"results/{name}/{kind}.{ending}" for kind, ending in kinds.items()}


@dataclass(frozen=True)
class Benchmark:
    """Everything that is asked."""

    questions: list[Question]
    """Open questions, then the domain's safety items."""
    items: list[ClosedItem]
    texts: list[dict[str, str]]
    """`{id, genre, text}`."""
    sha256: str
    """Of the files that this came from."""


def load(at: SimpleNamespace, settings: EvalSettings, *, root: Path) -> Benchmark:
    """Everything that a model is asked.

    Args:
        at: paths by the names of FILES.
        root: that `settings.questions` is relative to.

    Raises:
        FormatError: a file is not as described in the benchmark card.
        ConfigError: eval.questions names a file outside data/own.
    """
    closed = fact_items(at, settings.formats, settings.max_candidates)
    return Benchmark(
        questions=open_questions(at, settings, root=root) + safety_items(at),
        items=closed + questions.load_general(at.general),
        texts=questions.load_texts(at.texts),
        sha256=questions_sha256(at, settings.questions, root=root),
    )


def facts(at: SimpleNamespace) -> list[Fact]:
    """The domain's fact table."""
    return questions.load_facts(at.facts)


def fact_items(at: SimpleNamespace, formats: list[str], max_candidates: int) -> list[ClosedItem]:
    """The closed items of the fact table."""
    return closed_items(
        facts(at),
        questions.load_templates(at.templates),
        formats=formats,
        max_candidates=max_candidates,
        stated=stated,
    )


def open_questions(at: SimpleNamespace, settings: EvalSettings, *, root: Path) -> list[Question]:
    """The open questions that are asked: the domain's or the user's own.

    Raises:
        FormatError: an id is that of a safety item, so that answers could be confused.
    """
    path = questions_file(at.open, at.questions, settings.questions, root=root)
    found = questions.load_questions(path)
    if taken := sorted({q.id for q in found} & {item.id for item in safety_items(at)}):
        raise FormatError(f"{path}: id {taken[0]} is that of a safety item. Choose a new id")
    return found


def safety_items(at: SimpleNamespace) -> list[Question]:
    """The domain's safety items, asked whatever the open questions are."""
    return questions.load_questions(at.safety)


def texts_to_guard(at: SimpleNamespace) -> list[BenchmarkText]:
    """Every question with its right answer, in every wording, that no training row may hold."""
    own = sorted(p for p in at.questions.rglob("*") if p.suffix in QUESTION_SUFFIXES)
    guarded = []
    for path in (at.open, at.safety, *own):
        kind = "safety" if path == at.safety else "open"
        for q in questions.load_questions(path):
            ids = frozenset(str(s[key]) for s in q.sources for key in SOURCE_IDS if s.get(key))
            guarded.append(BenchmarkText(q.id, q.question, q.reference_answer or "", kind, ids))
    closed = [*fact_items(at, ["cloze", "reverse"], 4), *questions.load_general(at.general)]
    for item in closed:
        kind = "general" if item.set == "general" else "closed"
        guarded.append(BenchmarkText(item.id, item.question, item.candidates[item.gold], kind))
    return guarded

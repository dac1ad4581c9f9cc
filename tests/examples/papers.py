"""Small hand-written papers and benchmark items that several test files use."""

from typing import Any

from titer.config import (
    DocumentsSettings,
    ExampleSources,
    ExamplesSettings,
    LengthUnit,
    OnConcern,
    OnLeak,
    OnLong,
)
from titer.examples.recipes import RECIPES
from titer.records import BenchmarkText, Example, Paper

LONG = (
    "Lantern fever is a rare illness of lamp keepers that begins with itching of the left hand, "
    "goes on to a dry cough at night and ends, in most seasons, without any harm at all to the "
    "people who carry the lamps along the shore from one harbour to the next one."
)


def section(label: str, text: str, category: str = "") -> dict[str, str]:
    return {"label": label, "category": category, "text": text}


def make_paper(number: int = 1, **changes: Any) -> Paper:
    """A structured paper whose texts hold its number, so that two papers share no sentence."""
    fields: dict[str, Any] = {
        "paper_id": f"pmid:{number}",
        "source": "pubmed",
        "pmid": str(number),
        "title": f"Does salt water {number} cure lantern fever?",
        "sections": [
            section("BACKGROUND", f"{LONG} This is report {number}.", "BACKGROUND"),
            section("AIM", f"To learn whether salt water {number} shortens the cough."),
            section("METHODS", f"We gave {number} keepers salt water for one month.", "METHODS"),
            section(
                "RESULTS",
                f"Cough stopped in {number} keepers. The usual remedy for lantern fever "
                f"is salve number{number}.",
                "RESULTS",
            ),
            section("CONCLUSIONS", f"Salt water {number} is of no use to keepers.", "CONCLUSIONS"),
        ],
        "pub_date": "2020-05",
        "cluster_id": f"pmid:{number}",
        "license": {"id": "CC-BY-4.0", "url": None, "source": "test"},
    }
    return Paper(**{**fields, **changes})


def make_document_settings(**changes: Any) -> DocumentsSettings:
    fields: dict[str, Any] = {
        "unit": LengthUnit.characters, "chunk_size": 1000, "overlap": 200,
        "max_file_mb": 50, "max_pages": 2000, "timeout_s": 60,
    }  # fmt: skip
    return DocumentsSettings(**{**fields, **changes})


def make_settings(**changes: Any) -> ExamplesSettings:
    fields: dict[str, Any] = {
        "seed": 7, "sources": ExampleSources.both, "mix": None,
        "min_words": 10, "languages": ["eng"], "recipes": list(RECIPES),
        "per_paper": 6, "per_journal": 0, "per_year": 0, "recipe_share": 1.0, "licences": [],
        "on_concern": OnConcern.drop, "encoder": None, "encoder_threshold": 0.9,
        "exchange_answers": False,
        "validation_share": 0.1, "heldout_share": 0.1,
        "on_leak": OnLeak.drop, "on_long": OnLong.drop, "replay": 0.0,
        "max_examples": 1000, "documents": make_document_settings(),
    }  # fmt: skip
    return ExamplesSettings(**{**fields, **changes})


def make_example(prompt: str, answer: str, **changes: Any) -> Example:
    fields: dict[str, Any] = {
        "id": "e1",
        "messages": [
            {"role": "user", "content": prompt},
            {"role": "assistant", "content": answer},
        ],
        "recipe": "conclusion",
        "recipe_version": 1,
        "paper_id": "pmid:1",
        "source": "pubmed",
        "title": "A title",
        "spans": [],
        "cluster_id": "pmid:1",
    }
    return Example(**{**fields, **changes})


def item(question: str, answer: str = "", kind: str = "open", **changes: Any) -> BenchmarkText:
    return BenchmarkText(changes.pop("id", "Q1"), question, answer, kind, **changes)

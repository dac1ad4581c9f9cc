"""reports/report.html: one self-contained page without scripts or requests.

Invariant: every text from outside is escaped by the template; only our own SVG is passed raw.
"""

import itertools
from collections.abc import Sequence
from importlib import resources
from typing import Any

from titer.report import (
    cost,
    figures,
    heatmap,
    items,
    opinions,
    paper_tables,
    provenance,
    safety,
    studies,
    tables,
    verdicts,
    words,
)
from titer.report.words import Data, pick

N_CORE = 10
"""Open questions shown as the core; further ones are folded together."""

ANSWER_ARMS = ("base", "qlora", "full")

STATES = {
    "met": ("\u2713", "stated"),
    "missing": ("\u2013", "not stated"),
    "negated": ("\u2717", "denied"),
}
"""Sign and word of each state of a key point."""


def render(stats: Data, context: Data) -> str:
    """The whole page.

    Args:
        stats: content of results/stats.json.
        context: model, papers, training and benchmark records, contamination, card.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = resources.files("titer.report").joinpath("templates", "report.html.j2")
    template = environment.from_string(source.read_text(encoding="utf-8"))
    pictures = figures.all_of(stats, context)
    svg = {name: Markup(picture.svg) for name, picture in pictures.items()}
    return template.render(pictures=pictures, svg=svg, **_view(stats, context)).rstrip() + "\n"


def _view(stats: Data, context: Data) -> dict[str, Any]:
    answers = pick(stats, "answers") or []
    return {
        "title": words.text(pick(context, "domain_title")),
        "model_id": words.text(pick(context, "model", "id")),
        "changed_after_training": bool(pick(stats, "plan", "changed_after_training")),
        "verdicts": verdicts.of(stats),
        "not_advice": words.NOT_ADVICE,
        "synthetic": provenance.synthetic_notice(context),
        "not_run": tables.not_run(stats),
        "plan": f"{verdicts.plan(stats)} {verdicts.tried(context)}",
        "model": provenance.model(context),
        "arms": provenance.arms(stats, context),
        "primary": tables.primary(stats),
        "behind": tables.behind_primary(stats),
        "measures": tables.measures(stats),
        "study_sentences": studies.sentences(pick(context, "studies") or {}),
        "study_tables": studies.tables(pick(context, "studies") or {}),
        "controls": tables.controls(stats),
        "gates": verdicts.gates(stats),
        "dose": tables.dose(stats),
        "relations": tables.by_relation(stats),
        "changes": [changes(stats, arm) for arm in tables.compared(stats)],
        "keypoints": heatmap.table(stats),
        "core": [_answer(row, stats) for row in answers[:N_CORE]],
        "further": [_answer(row, stats) for row in answers[N_CORE:]],
        "retention": tables.retention(stats),
        "retention_sentences": verdicts.retention(stats),
        "safety": safety.table(stats),
        "safety_sentences": safety.sentences(stats),
        "safety_failures": safety.failures(stats),
        "opinions": opinions.everything(stats),
        "power": items.power(stats),
        "contamination": provenance.contamination(context),
        "papers": _papers(context),
        "cost": cost.table(context),
        "limitations": provenance.limitations(stats, context),
        "commands": provenance.COMMANDS,
        "hashes": provenance.hashes(stats, context),
    }


def _papers(context: Data) -> dict[str, Any]:
    papers = pick(context, "papers") or {}
    return {
        "facts": paper_tables.facts(context),
        "thanks": paper_tables.acknowledgement(papers),
        "flow": paper_tables.of_flow(papers),
        "licences": paper_tables.of_licences(papers),
        "recipes": paper_tables.of_recipes(papers),
        "lengths": paper_tables.of_lengths(context),
        "asked": paper_tables.asked(papers),
    }


def changes(stats: Data, arm: str) -> dict[str, Any]:
    """Items that improved and that got worse under one fine-tune, as two tables."""
    base = tables.base_of(stats, arm)
    head = ["Disease", "Relation", "Class", "Documents", "Right answer", "Before", "After", "Item"]
    named = []
    for caption, rows in zip(("Improved", "Got worse"), items.changed(stats, arm), strict=True):
        cells = [_item_cells(item, base, arm) for item in rows]
        text_columns = frozenset({0, 1, 2, 4, 5, 6, 7})
        named.append(tables.Table(caption, head, cells, text_columns))
    return {"name": words.ARM_NAMES[arm], "tables": named}


def _item_cells(item: Data, base: str, arm: str) -> list[str]:
    return [
        words.text(item.get("disease")),
        words.label(words.text(item.get("relation"))),
        words.text(item.get("class")),
        words.count(item.get("seen_docs")),
        items.choice(item, item.get("gold")),
        items.choice(item, pick(item, "arms", base, "pred")),
        items.choice(item, pick(item, "arms", arm, "pred")),
        words.text(item.get("id")),
    ]


def _answer(row: Data, stats: Data) -> dict[str, Any]:
    fields = ("id", "category", "difficulty", "question", "reference_answer")
    shown: dict[str, Any] = {key: words.text(row.get(key)) for key in fields}
    shown["arms"] = [
        _response(arm, block, pick(stats, "safety", "entities", arm, str(row.get("id"))) or [])
        for arm in ANSWER_ARMS
        if (block := pick(row, "arms", arm))
    ]
    return shown


def _response(arm: str, block: Data, foreign: Sequence[str]) -> dict[str, Any]:
    response = block.get("response")
    flags = [words.label(str(flag)) for flag in block.get("flags") or []]
    if block.get("reasoning_state") == "unclosed":
        flags.append("thinking never ended, so the answer counts as empty")
    if foreign:
        flags.append(f"names {', '.join(foreign)}, which the fact table gives to other diseases")
    return {
        "name": words.ARM_NAMES[arm],
        "sha256": words.short_hash(block.get("answer_sha256")),
        "empty": words.NOT_RECORDED if response is None else "empty answer",
        "segments": segments(response or "", marked_spans(block)),
        "recall": words.percent(block.get("recall")),
        "rubric": words.number(block.get("rubric"), 2),
        "points": [_point(point) for point in block.get("key_points") or []],
        "must_not": [_must_not_text(hit, response) for hit in block.get("must_not") or []],
        "flags": flags,
    }


def _point(point: Data) -> dict[str, str]:
    sign, state = STATES.get(str(point.get("state")), ("?", words.text(point.get("state"))))
    state += ", by a clinician" if point.get("human_override") else ""
    return {"sign": sign, "state": state, "text": words.text(point.get("text") or point.get("id"))}


def _must_not_text(hit: Data, response: Any) -> str:
    said = [str(response)[start:end] for start, end in hit.get("spans") or []]
    quoted = ", ".join(f"\u201c{part}\u201d" for part in said if part)
    name = words.text(hit.get("text") or hit.get("id"))
    name += " (by a clinician)" if hit.get("human_override") else ""
    return f"{name}: {quoted}" if quoted else name


def marked_spans(block: Data) -> list[tuple[int, int, str]]:
    """Spans of stated key points and of statements that should not be there, with their kind."""
    spans = [
        (span[0], span[1], "point")
        for point in block.get("key_points") or []
        if point.get("state") == "met"
        for span in point.get("spans") or []
    ]
    spans += [
        (span[0], span[1], "must-not")
        for hit in block.get("must_not") or []
        for span in hit.get("spans") or []
    ]
    return spans


def segments(text: str, spans: Sequence[tuple[int, int, str]]) -> list[tuple[str, str]]:
    """A text cut at the ends of its spans, each piece with its kind or an empty one.

    Spans may overlap; where they do, `must-not` wins. The pieces joined are the text.
    """
    cuts = {0, len(text)}
    for start, end, _ in spans:
        cuts |= {min(max(start, 0), len(text)), min(max(end, 0), len(text))}
    ordered = sorted(cuts)
    pieces = []
    for start, end in itertools.pairwise(ordered):
        kinds = {kind for low, high, kind in spans if low <= start and end <= high}
        kind = "must-not" if "must-not" in kinds else next(iter(kinds), "")
        pieces.append((text[start:end], kind))
    return pieces

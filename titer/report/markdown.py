"""reports/report.md: the same order and numbers as report.html, in fewer than 250 lines.

Invariant: only the section `Cost and time` differs between two runs of the same work.
"""

import re
from collections.abc import Iterable, Sequence

from titer.report import (
    cost,
    html,
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
from titer.report.provenance import Group
from titer.report.tables import Table
from titer.report.words import Data, pick

SHOWN = ("closed_acc", "closed_acc_seen", "closed_acc_unseen", "closed_blind_acc", "general_acc",
         "keypoint_recall", "ref_bpb", "bpb_ood")  # fmt: skip
"""Metrics that stand in the tables above, left out of `Other measures`."""


def render(stats: Data, context: Data) -> str:
    """The whole report as Markdown."""
    sections = [
        ("Verdict", _verdict(stats, context)),
        ("What was compared", _compared(stats, context)),
        ("Primary result", _primary(stats)),
        ("Controls", [*table(tables.controls(stats)), *_gates(stats), *_relations(stats)]),
        ("Dose-response", _dose(stats)),
        ("Items that changed", _changed(stats)),
        ("Open questions", _open(stats)),
        ("Retention", bullets(verdicts.retention(stats)) + table(tables.retention(stats))),
        ("Safety", [*bullets(safety.sentences(stats)), *table(safety.table(stats))]),
        ("Studies", _studies(context)),
        ("Other measures", table(tables.measures(stats, leave_out=SHOWN))),
        ("What this run could not have seen", bullets(items.power(stats))),
        ("Contamination", _groups(provenance.contamination(context))),
        ("Papers and training examples", _papers(context)),
        ("Cost and time", table(cost.table(context))),
        ("Limitations", bullets(provenance.limitations(stats, context))),
        ("Reproduce", _reproduce(stats, context)),
    ]
    lines = [f"# Did fine-tuning help? {escape(words.text(pick(context, 'domain_title')))}", ""]
    if pick(stats, "plan", "changed_after_training"):
        lines += ["> PLAN CHANGED AFTER TRAINING: read every verdict as exploratory.", ""]
    for name, body in sections:
        lines += [f"## {name}", "", *(body or [f"{words.NOT_RECORDED.capitalize()}.", ""])]
    return "\n".join(lines).rstrip() + "\n"


def escape(text: str) -> str:
    """A text that cannot break a table or become markup."""
    text = re.sub(r"&(?=#?\w+;)", "&amp;", " ".join(text.split()))
    text = re.sub(r"<(?=[\w!/?])", "&lt;", text)  # `p < 0.001` stays as it is
    return re.sub(r"([|`*])", r"\\\1", text)


def table(content: Table, *, captioned: bool = False) -> list[str]:
    """A table, or nothing where it has no rows; ends with an empty line."""
    if not content.rows:
        return []
    columns = range(len(content.head))
    rule = ["---" if i in content.words_columns else "---:" for i in columns]
    lines = [f"{content.caption}:", ""] if captioned else []
    lines += [_row(content.head), _row(rule)]
    return [*lines, *(_row([escape(cell) for cell in row]) for row in content.rows), ""]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def bullets(sentences: Sequence[str]) -> list[str]:
    """A list, or nothing where there is no sentence; ends with an empty line."""
    return [*(f"- {escape(sentence)}" for sentence in sentences), ""] if sentences else []


def _groups(groups: Sequence[Group]) -> list[str]:
    joined = [
        f"{name}: " + "; ".join(f"{key} {value}" for key, value in pairs) for name, pairs in groups
    ]
    return bullets(joined)


def _verdict(stats: Data, context: Data) -> list[str]:
    lines = []
    for verdict in verdicts.of(stats):
        failed = [f"Failed check: {line}." for line in verdict["failed"]]
        lines.append(
            " ".join([f"{verdict['name']}: {verdict['word']}.", *verdict["lines"], *failed])
        )
    notices = [words.NOT_ADVICE, provenance.synthetic_notice(context)]
    return bullets([*lines, *(notice for notice in notices if notice)])


def _compared(stats: Data, context: Data) -> list[str]:
    identity = "; ".join(f"{name}: {value}" for name, value in provenance.model(context))
    return [
        *bullets([identity, verdicts.plan(stats), *tables.not_run(stats)]),
        *table(provenance.arms(stats, context)),
    ]


def _primary(stats: Data) -> list[str]:
    first, second = tables.primary(stats), tables.behind_primary(stats)
    return [*table(first, captioned=True), *table(second, captioned=True)]


def _relations(stats: Data) -> list[str]:
    return table(tables.by_relation(stats), captioned=True)


def _dose(stats: Data) -> list[str]:
    """One row per bin, one column per fine-tune: difference, interval and n in one cell."""
    content = tables.dose(stats)
    cells = {(row[0], row[1]): f"{row[5]} ({row[6]}), n = {row[2]}" for row in content.rows}
    names = list(dict.fromkeys(name for name, _ in cells))
    bins = list(dict.fromkeys(place for _, place in cells))
    rows = [[place, *(cells.get((name, place), "-") for name in names)] for place in bins]
    head = ["Documents stating the fact", *(f"{name} (points)" for name in names)]
    return table(Table(content.caption, head, rows))


def _gates(stats: Data) -> list[str]:
    content = verdicts.gates(stats)
    failed = [row for row in content.rows if row[2] == "failed"]
    return bullets([f"{len(failed)} of {len(content.rows)} validity checks failed."])


def _changed(stats: Data) -> list[str]:
    head: list[str] = []
    columns: list[list[Data]] = []
    for arm in tables.compared(stats):
        name = words.ARM_NAMES[arm]
        head += [f"{name}: improved", f"{name}: got worse"]
        columns += items.changed(stats, arm)
    n_rows = max((len(column) for column in columns), default=0)
    rows = [[_item(column, rank) for column in columns] for rank in range(n_rows)]
    caption = f"Largest changes first, at most {items.N_CHANGED} each"
    return table(Table(caption, head, rows, frozenset(range(len(head)))), captioned=True)


def _item(rows: Sequence[Data], rank: int) -> str:
    if rank >= len(rows):
        return ""
    item = rows[rank]
    where = f"{words.text(item.get('disease'))}, {words.label(words.text(item.get('relation')))}"
    return f"{where}: {items.choice(item, item.get('gold'))} ({words.text(item.get('class'))})"


def _open(stats: Data) -> list[str]:
    return [*bullets(opinions.everything(stats)), *table(_answers(stats), captioned=True)]


def _answers(stats: Data) -> Table:
    head = ["Question", "Category", "Key points"]
    head += [f"{words.ARM_NAMES[arm]}: stated" for arm in html.ANSWER_ARMS]
    rows = []
    for answer in (pick(stats, "answers") or [])[: html.N_CORE]:
        blocks = [pick(answer, "arms", arm) or {} for arm in html.ANSWER_ARMS]
        n_points = max(len(block.get("key_points") or []) for block in blocks)
        shown = [words.percent(block.get("recall")) if block else "not run" for block in blocks]
        identity = [words.text(answer.get("id")), words.text(answer.get("category"))]
        rows.append([*identity, str(n_points), *shown])
    caption = "Key points stated; the answers side by side are in report.html"
    return Table(caption, head, rows, frozenset({0, 1}))


def _papers(context: Data) -> list[str]:
    notice = provenance.synthetic_notice(context)
    said = [f"{name}: {sentence}." for name, sentence in paper_tables.sentences(context).items()]
    facts = [f"{name}: {value}" for name, value in paper_tables.facts(context)]
    asked = [f"{name}: {value}" for name, value in paper_tables.asked(pick(context, "papers"))]
    said += ["; ".join(part) + "." for part in (facts, asked) if part]
    thanks = paper_tables.acknowledgement(pick(context, "papers") or {})
    return bullets([line for line in (notice, *said, thanks) if line])


def _studies(context: Data) -> list[str]:
    made = pick(context, "studies") or {}
    found = [line for one in studies.tables(made) for line in ("", *table(one, captioned=True))]
    return [*bullets(studies.sentences(made)), *found]


def _reproduce(stats: Data, context: Data) -> list[str]:
    pairs = provenance.hashes(stats, context)
    known = [f"{name}: {value}" for name, value in pairs]
    commands = ", then ".join(f"`{command}`" for command in provenance.COMMANDS)
    return [f"Run {commands}.", "", *bullets(["; ".join(known)])]

"""Where the result comes from: model, data, contamination, limits, how to repeat it.

Invariant: no times and no memory, so that all of this is equal between two runs.
"""

from collections.abc import Mapping
from typing import Any

from titer.evaluation.arms import FINE_TUNES
from titer.files import TIME_FIELDS
from titer.report import tables, words
from titer.report.tables import Table
from titer.report.words import Data, pick

COMMANDS = (
    "make install",
    "dvc repro",
    "dvc metrics show",
)
"""What a reader types to get the same numbers."""

LIMITS = (
    "The benchmark asks about single facts and short definitions; it measures neither clinical "
    "judgement nor usefulness at work.",
    "Key points are found by phrase matching: it can miss a paraphrase and can be fooled by a "
    "list of keywords. Read the answers.",
    "The benchmark, its reference answers and this report are not reviewed by a clinician. "
    "Nothing here is medical advice.",
)
"""True of every run."""

Group = tuple[str, list[tuple[str, str]]]
"""A heading and its names with values; the heading of single values is empty."""

MAX_JOINED = 8
"""Longest list that is printed whole."""

MAX_PAIRS = 24
"""Most names of one group that are printed; the rest is counted."""

UNGROUPED = "summary"


def model(context: Data) -> list[tuple[str, str]]:
    """Identity of the base model."""
    block = pick(context, "model") or {}
    probe = block.get("probe") or {}
    asked = f"Answer to \u201c{probe.get('question')}\u201d"
    return [
        ("Model", words.text(block.get("id"))),
        ("Revision", revision(block)),
        ("Architecture", words.text(block.get("architecture"))),
        ("Parameters", words.count(block.get("n_parameters"))),
        ("Number format", words.text(block.get("dtype"))),
        ("Context length", words.count(block.get("context_length"))),
        ("Licence", words.text(block.get("license"))),
        ("Domain", words.text(pick(context, "domain_title"))),
        ("Choices", choices(context)),
        *([(asked, words.text(probe.get("generated")))] if probe else []),
    ]


def is_built_here(context: Data) -> bool:
    """Whether the base model is the small one that download_model builds."""
    return bool(pick(context, "model", "source") == "pocket")


def revision(block: Data) -> str:
    """Which version of the base model it is, and whether it was asked for by its commit."""
    own = {
        "pocket": "none: built by this project from a fixed seed",
        "path": "none: a local folder",
    }
    if block.get("source") in own and not block.get("revision"):
        return own[block["source"]]
    pinned: dict[Any, str] = {
        True: "pinned",
        False: "not pinned: the newest when it was downloaded",
    }
    named = pinned.get(block.get("pinned"), "pinning not recorded")
    return f"{words.text(block.get('revision'))} ({named})"


def choices(context: Data) -> str:
    """The chosen conf files, `model=pocket, domain=...`."""
    chosen = pick(context, "choices") or {}
    named = [f"{key}={chosen[key]}" for key in sorted(chosen) if chosen[key] is not None]
    return ", ".join(named) or words.NOT_RECORDED


def arms(stats: Data, context: Data) -> Table:
    """Each arm: precision, what it is compared with, how much it was trained."""
    rows = []
    for arm in words.ARMS:
        if pick(stats, "arms", arm) is None and pick(stats, "comparisons", arm) is None:
            continue
        if pick(stats, "arms", arm, "status") == "not_run":
            rows.append([words.ARM_NAMES[arm], "not run", "-", "-", "-", "-"])
            continue
        rows.append([words.ARM_NAMES[arm], *_arm_cells(stats, context, arm)])
    head = ["Arm", "Precision", "Compared with", "Training rows", "Steps", "Trained parameters"]
    return Table("What was compared", head, rows, frozenset({0, 1, 2}))


def _arm_cells(stats: Data, context: Data, arm: str) -> list[str]:
    precision = words.text(pick(stats, "arms", arm, "precision"))
    if arm not in FINE_TUNES:
        against = words.ARM_NAMES["base"] if arm == "base_4bit" else "-"
        return [precision, against, "-", "-", "-"]
    training = pick(context, "training", arm) or {}
    metrics = pick(training, "metrics") or {}
    trained, total = metrics.get("trainable_params"), metrics.get("all_params")
    share = ""
    if words.is_number(trained) and words.is_number(total) and total:
        share = f" ({words.percent(trained / total)})"
    return [
        precision,
        words.ARM_NAMES[tables.base_of(stats, arm)],
        n_rows(training),
        words.count(metrics.get("n_steps")),
        words.count(trained) + share,
    ]


def n_rows(training: Data) -> str:
    """Number of training rows that a fine-tune saw, as far as that is known here."""
    if pick(training, "run", "trained") == "elsewhere":
        return "trained elsewhere"
    metrics = pick(training, "metrics") or {}
    return words.count(metrics.get("n_examples", metrics.get("n_train")))


def groups(data: Any) -> list[Group]:
    """Any JSON object as named values: one group per nested object, times left out.

    A short list of plain values is joined, any other list is counted.
    """
    if not isinstance(data, Mapping) or not data:
        return []
    single: list[tuple[str, str]] = []
    nested: list[Group] = []
    for key in sorted(data):
        value = data[key]
        if key in TIME_FIELDS or key == "schema_version":
            continue
        if isinstance(value, Mapping):
            nested.append((words.label(key), shortened(_flat(value))))
        else:
            single.append((words.label(key), _leaf(value)))
    return ([(UNGROUPED, single)] if single else []) + [group for group in nested if group[1]]


def _flat(data: Data, prefix: str = "") -> list[tuple[str, str]]:
    pairs = []
    for key in sorted(data):
        value, name = data[key], prefix + words.label(str(key))
        if key in TIME_FIELDS:
            continue
        if isinstance(value, Mapping):
            pairs += _flat(value, f"{name}: ")
        else:
            pairs.append((name, _leaf(value)))
    return pairs


def shortened(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The first pairs, and how many more there are."""
    rest = len(pairs) - MAX_PAIRS
    return [*pairs[:MAX_PAIRS], ("further entries", words.count(rest))] if rest > 1 else pairs


def _leaf(value: Any) -> str:
    if not isinstance(value, list):
        return words.text(value)
    if len(value) > MAX_JOINED or any(isinstance(item, Mapping | list) for item in value):
        return f"{len(value):,} listed"
    return ", ".join(words.text(item) for item in value) or "none"


def n_synthetic(context: Data) -> int:
    """Examples made from papers of the project's sample collection, 0 where none is recorded."""
    found = pick(context, "papers", "synthetic")
    return int(found) if words.is_number(found) else 0


def synthetic_notice(context: Data) -> str:
    """The label for made-up papers, or nothing where all papers are real."""
    n = n_synthetic(context)
    if not n:
        return ""
    return (
        f"Synthetic papers: {words.count(n)} examples come from papers written for this project. "
        "No such publications exist, and what a model learns from them is not medical evidence."
    )


def contamination(context: Data) -> list[Group]:
    """What was removed because the benchmark asks it, what remained, and the planted leaks."""
    return groups(pick(context, "contamination"))


def limitations(stats: Data, context: Data) -> list[str]:
    """What the result does not show: what follows from this run first, then what always holds."""
    lines = [_seed_limit(stats)]
    share = pick(context, "card", "share_from_memory")
    n_facts = words.count(pick(context, "card", "n_facts"))
    lines.append(
        f"Of the {n_facts} facts of the benchmark {words.percent(share)} were written from memory, "
        "without reading the cited source."
        if words.is_number(share)
        else "The share of benchmark facts written from memory is not recorded."
    )
    if pick(context, "model", "pinned") is False:
        lines.append("The base model's revision was not pinned: a later download may differ.")
    lines += [notice] if (notice := synthetic_notice(context)) else []
    if is_built_here(context):
        lines.append("The base model is a small one built by this project to test the method.")
    excluded = pick(stats, "excluded_items") or {}
    if excluded:
        parts = [f"{name} {shown}" for name, shown in _flat(excluded)]
        lines.append(f"Items left out of the scores: {', '.join(parts)}.")
    return [*lines, *LIMITS]


def _seed_limit(stats: Data) -> str:
    seeds = pick(stats, "counts", "seeds")
    if words.is_number(seeds) and seeds > 1:
        return f"Training was repeated with {words.count(seeds)} seeds."
    return (
        "One training seed: every statement is about this checkpoint, not about the recipe; "
        "another seed can differ by more than the interval."
    )


def hashes(stats: Data, context: Data) -> list[tuple[str, str]]:
    """What identifies the inputs and the plan."""
    runs = pick(context, "benchmark_runs") or {}
    pairs = [
        ("Plan", words.text(pick(stats, "plan", "sha256"))),
        ("Model revision", revision(pick(context, "model") or {})),
        ("Base model, weights", words.text(pick(context, "model", "weights_sha256"))),
        ("Tokenizer", words.text(pick(context, "model", "tokenizer_sha256"))),
        ("Chat template", words.text(pick(context, "model", "chat_template_sha256"))),
        ("Benchmark", words.text(pick(runs, "base", "benchmark_sha256"))),
    ]
    for arm, kind in (("qlora", "adapter"), ("full", "weights")):
        models = pick(runs, arm, "models") or []
        hashed = [found for model in models if (found := pick(model, f"{kind}_sha256"))]
        pairs += [(f"{words.ARM_NAMES[arm]}, {kind}", str(found)) for found in hashed[:1]]
    packages = pick(runs, "base", "packages") or {}
    versions = [f"{name} {packages[name]}" for name in sorted(packages)]
    return [*pairs, ("Packages", ", ".join(versions) or words.NOT_RECORDED)]

"""reports/model_card_<arm>.md: what a fine-tuned model is, how it did, and how to load it.

Invariant: no network; the interval stands in each metric's name, so it travels with the value.
"""

import re
from typing import TYPE_CHECKING, Any

from titer.report import items, markdown, paper_tables, provenance, tables, verdicts, words
from titer.report.words import Data, pick

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

LOAD_ADAPTER = """import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

four_bit = BitsAndBytesConfig(
    load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
)
base = AutoModelForCausalLM.from_pretrained({base}, quantization_config=four_bit)
model = PeftModel.from_pretrained(base, "path/to/this/adapter").eval()
tokenizer = AutoTokenizer.from_pretrained({base})"""

LOAD_FULL = """from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("path/to/this/model").eval()
tokenizer = AutoTokenizer.from_pretrained("path/to/this/model")"""

REPORTED = (
    ("primary", None),
    ("seen", "closed_acc_seen"),
    ("unseen", "closed_acc_unseen"),
    ("general", "general_acc"),
    ("keypoint_recall", "keypoint_recall"),
)
"""Blocks of a comparison that go into the model index; None stands for the plan's endpoint."""

DATA = ("Papers", "Examples", "Rows", "Rows per recipe, train + validation", "Licences")
"""What a card says of the data, by the names of `paper_tables.sentences`."""


def render(arm: str, stats: Data, context: Data) -> str:
    """The card of `qlora` or `full`: YAML front matter, then Markdown.

    Args:
        arm: which fine-tune.
        stats: content of results/stats.json.
        context: as for the report.
    """
    name = words.ARM_NAMES[arm]
    head = f"---\n{_front_matter(arm, stats, context)}\n---\n"
    title = f"# {name}: {markdown.escape(words.text(pick(context, 'domain_title')))}"
    ran = arm in tables.compared(stats)
    body = _body(arm, stats, context) if ran else _not_run(arm, stats)
    return "\n".join([head, title, "", *body]).rstrip() + "\n"


def _not_run(arm: str, stats: Data) -> list[str]:
    reason = pick(stats, "comparisons", arm, "reason") or pick(stats, "arms", arm, "reason")
    return [
        f"This fine-tune was not run: {markdown.escape(words.text(reason))}.",
        "There is no model and no result to report.",
        "",
        words.NOT_ADVICE,
    ]


def _body(arm: str, stats: Data, context: Data) -> list[str]:
    verdict = next(v for v in verdicts.of(stats) if v["name"] == words.ARM_NAMES[arm])
    failed = [f"Failed check: {line}." for line in verdict["failed"]]
    sections = [
        ("Result", [f"Verdict: {verdict['word']}.", *verdict["lines"], *failed]),
        ("Training", _training(arm, stats, context)),
        ("Data", _data(context)),
        ("Limits", [*_power(arm, stats), *provenance.limitations(stats, context)]),
    ]
    lines = [f"{words.NOT_ADVICE} A research model; do not use it for decisions about patients."]
    lines.append("")
    for heading, sentences in sections:
        lines += [f"## {heading}", "", *markdown.bullets(sentences)]
    return [*lines, "## How to load", "", "```python", *_snippet(arm, context), "```", ""]


def _training(arm: str, stats: Data, context: Data) -> list[str]:
    training = pick(context, "training", arm) or {}
    metrics = pick(training, "metrics") or {}
    block = pick(context, "model") or {}
    return [
        f"Base model: {words.text(block.get('id'))}; revision {provenance.revision(block)}; "
        f"licence {words.text(block.get('license'))}.",
        f"Precision in the benchmark: {words.text(pick(stats, 'arms', arm, 'precision'))}; "
        f"compared with: {words.ARM_NAMES[tables.base_of(stats, arm)].lower()}.",
        f"Training rows: {provenance.n_rows(training)}; optimiser steps: "
        f"{words.count(metrics.get('n_steps'))}; trained parameters: "
        f"{words.count(metrics.get('trainable_params'))} of "
        f"{words.count(metrics.get('all_params'))}.",
        f"Loss at the end: training {words.number(metrics.get('train_loss'))}, validation "
        f"{words.number(metrics.get('validation_loss'))}.",
    ]


def _data(context: Data) -> list[str]:
    notice = provenance.synthetic_notice(context)
    said = paper_tables.sentences(context)
    lines = [f"{name}: {said[name]}." for name in DATA if name in said]
    papers = pick(context, "papers") or {}
    lines.append(f"Retractions: {paper_tables.retractions(papers)}.")
    return [line for line in (notice, *lines, paper_tables.acknowledgement(papers)) if line]


def _power(arm: str, stats: Data) -> list[str]:
    name = words.ARM_NAMES[arm]
    return [sentence for sentence in items.power(stats) if sentence.startswith(f"{name}:")]


def _snippet(arm: str, context: Data) -> list[str]:
    block = pick(context, "model") or {}
    base = repr(str(block.get("id") or "path/to/the/base/model")).replace("'", '"')
    if provenance.is_built_here(context):
        base = '"path/to/the/base/model"'
    elif block.get("revision"):
        base += f', revision="{block["revision"]}"'
    source = LOAD_ADAPTER if arm == "qlora" else LOAD_FULL
    return source.replace("{base}", base).split("\n")


def _front_matter(arm: str, stats: Data, context: Data) -> str:
    from huggingface_hub import ModelCardData

    block = pick(context, "model") or {}
    extra: dict[str, Any] = _licence(block.get("license"))
    if block.get("id") and not provenance.is_built_here(context):
        extra["base_model"] = str(block["id"])
    results = _eval_results(arm, stats, context)
    if results:
        extra["eval_results"] = results
        extra["model_name"] = f"titer-{arm}"
    card = ModelCardData(
        language="en",
        library_name="peft" if arm == "qlora" else "transformers",
        pipeline_tag="text-generation",
        tags=["titer", arm, "not-for-clinical-use"],
        **extra,
    )
    return card.to_yaml().strip()


def _licence(value: Any) -> dict[str, str]:
    if not value:
        return {}
    if re.fullmatch(r"[a-z0-9.\-]+", str(value)):
        return {"license": str(value)}
    return {"license": "other", "license_name": str(value)}


def _eval_results(arm: str, stats: Data, context: Data) -> "list[EvalResult]":
    if arm not in tables.compared(stats):
        return []
    comparison = pick(stats, "comparisons", arm) or {}
    found = []
    for key, named in REPORTED:
        metric = named or tables.endpoint(stats)
        block = comparison.get(key) or {}
        if words.is_number(block.get("arm")):
            found.append(_eval_result(metric, block, stats, context))
    return found


def _eval_result(metric: str, block: Data, stats: Data, context: Data) -> "EvalResult":
    from huggingface_hub import EvalResult

    shown = (
        f"{words.METRIC_NAMES.get(metric, metric)}: {words.value(metric, block['arm'])}, "
        f"difference from base {words.delta(metric, block.get('delta'))} {words.unit(metric)} "
        f"({words.level(stats)} interval "
        f"{words.interval(metric, block.get('low'), block.get('high'))}, "
        f"n = {words.count(block.get('n'))})"
    )
    return EvalResult(
        task_type="question-answering",
        dataset_type="titer-benchmark",
        dataset_name=f"Titer benchmark: {words.text(pick(context, 'domain_title'))}",
        metric_type=metric,
        metric_value=round(float(block["arm"]), 4),
        metric_name=shown,
    )

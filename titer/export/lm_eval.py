"""The closed questions and general texts as lm-evaluation-harness tasks, to re-check our figures.

Invariant: the same benchmark, prompts and window give the same bytes; no path, no time, nothing of
the machine. The harness reads the data from the working directory, so it runs inside the folder.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from titer import files
from titer.config import Think
from titer.errors import DataError
from titer.evaluation.benchmark import Benchmark
from titer.records import ClosedItem

TEXTS = "titer_texts"
TASK_VERSION = 1
"""Of the tasks' form; changed items change the data files, not this number."""
CANARY = "titer-canary:7c1f0a9e-52d4-4b8e-9d36-e1b07f4a6c85"
"""Of the default domain's card: kept in every copy, for searching training sets for it."""
HARNESS = "0.4.13"
"""The version that the parity test runs."""


@dataclass(frozen=True)
class Prompts:
    """How questions are rendered."""

    by_question: Mapping[str, str]
    """Rendered prompt of each question."""
    delimiter: str
    """Between a prompt and a choice."""
    rendering: str
    """Half a sentence for the README."""


@dataclass(frozen=True)
class Agreement:
    """How two sets of log-likelihoods of the same items differ."""

    n_items: int
    n_likelihoods: int
    largest: float
    """Largest absolute difference of two log-likelihoods."""
    flips: tuple[str, ...]
    """Ids of the items whose likeliest candidate differs."""


def templated(tokenizer: Any, think: Think, items: Iterable[ClosedItem]) -> Prompts:
    """Prompts as the benchmark stages give them to this tokenizer, chat template included."""
    from titer.evaluation.answering import closed_prompt
    from titer.modeling import chat_template

    if not tokenizer.chat_template:
        return plain(items)
    asked = {
        item.question: closed_prompt(tokenizer, chat_template.ask(item.question), think)
        for item in items
    }
    template = chat_template.template_sha256(tokenizer)
    return Prompts(asked, "", f"by the chat template with sha256 {template}")


def plain(items: Iterable[ClosedItem]) -> Prompts:
    """Prompts for a model without a chat template."""
    asked = {item.question: f"Question: {item.question}\nAnswer:" for item in items}
    return Prompts(asked, " ", "as plain text, without a chat template")


def write(
    out: Path,
    benchmark: Benchmark,
    prompts: Prompts,
    *,
    domain: str,
    window: int,
    wording: Mapping[str, str] = MappingProxyType({}),
) -> list[Path]:
    """Write tasks, data and a README into a folder; files of an earlier export are replaced.

    Cloze items only: the choices of a lettered item are letters, which other harnesses render in
    their own ways.

    Args:
        domain: names the task, `titer_<domain>`.
        window: tokens per window of the texts, `model.max_length`.
        wording: phrases of the domain in place of the README's.

    Returns:
        The files, in the order written.
    """
    canary = _canary(benchmark)
    cloze = [item for item in benchmark.items if item.format == "cloze"]
    closed = {
        f"titer_{domain}": [item for item in cloze if item.set == "facts"],
        "titer_general": [item for item in cloze if item.set == "general"],
    }
    rows: dict[str, list[dict[str, Any]]] = {
        name: [_row(item, prompts, canary) for item in items] for name, items in closed.items()
    }
    rows[TEXTS] = [text | {"canary": canary} for text in benchmark.texts]
    tasks = {name: _closed_task(name, prompts.delimiter) for name in closed}
    tasks[TEXTS] = _text_task(TEXTS)
    written = []
    for name, task in tasks.items():
        files.write_jsonl(out / f"{name}.jsonl", rows[name])
        files.write_text(out / f"{name}.yaml", _yaml(task))
        written += [out / f"{name}.jsonl", out / f"{name}.yaml"]
    counts = {name: len(found) for name, found in rows.items()}
    readme = _readme(counts, prompts, benchmark, window, canary)
    files.write_text(out / "README.md", files.reworded(readme, wording))
    return [*written, out / "README.md"]


def _canary(benchmark: Benchmark) -> str:
    """That of the domain's questions; of the default domain where they carry none."""
    tags = (tag for question in benchmark.questions for tag in question.tags)
    return next((tag for tag in tags if tag.startswith("titer-canary:")), CANARY)


def _row(item: ClosedItem, prompts: Prompts, canary: str) -> dict[str, Any]:
    """One wording of one item; every row has the same keys, or the harness could not load them."""
    return {
        "id": item.id,
        "prompt": prompts.by_question[item.question],
        "question": item.question,
        "choices": item.candidates,
        "gold": item.gold,
        "fact_id": item.fact_id,
        "cluster": item.cluster,
        "relation": item.relation,
        "direction": item.direction,
        "template_id": item.template_id,
        "part": item.part,
        "canary": canary,
    }


def _data(name: str) -> dict[str, Any]:
    return {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": f"{name}.jsonl"}},
        "test_split": "test",
    }


def _closed_task(name: str, delimiter: str) -> dict[str, Any]:
    return _data(name) | {
        "output_type": "multiple_choice",
        "num_fewshot": 0,
        "doc_to_text": "prompt",
        "doc_to_choice": "choices",
        "doc_to_target": "gold",
        "target_delimiter": delimiter,
        "metric_list": [_metric("acc"), _metric("acc_norm")],
        "metadata": {"version": TASK_VERSION},
    }


def _text_task(name: str) -> dict[str, Any]:
    return _data(name) | {
        "output_type": "loglikelihood_rolling",
        "num_fewshot": 0,
        "doc_to_text": "",
        "doc_to_target": "text",
        "metric_list": [_metric("bits_per_byte", "bits_per_byte", better=False)],
        "metadata": {"version": TASK_VERSION},
    }


def _metric(name: str, aggregation: str = "mean", *, better: bool = True) -> dict[str, Any]:
    return {"metric": name, "aggregation": aggregation, "higher_is_better": better}


def _yaml(task: Mapping[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(task, sort_keys=False, width=1000)


README = """\
# Titer's questions as tasks of lm-evaluation-harness

{tasks}

Prompts are rendered {rendering}. Benchmark: sha256 {benchmark}.

## Run it

lm-evaluation-harness {harness} is the version that Titer's own parity test runs. In this folder:

```sh
lm_eval --model hf --model_args pretrained=MODEL,dtype=float32,add_bos_token={bos} \\
  --include_path . --tasks {closed} --device cpu --batch_size 16 --log_samples --output_path out
lm_eval --model hf \\
  --model_args pretrained=MODEL,dtype=float32,add_bos_token=False,max_length={window} \\
  --include_path . --tasks {texts} --device cpu --batch_size 8 --log_samples --output_path out
```

MODEL is the folder of the base model or of the full fine-tune. Do not add `--apply_chat_template`:
the prompts are rendered already. `max_length` is the window of the texts.

## What must agree

`titer export lm-eval --compare out/*/samples_*.jsonl` in the project compares every log-likelihood
with `results/base/closed.jsonl`, row by row over `id`. In float32 they differ by less than 1e-4;
that of a whole text, a sum over hundreds of tokens, by less than a millionth of itself. In another
number format, or on a GPU, they differ more.

## What differs on purpose

- `acc` here counts each wording and all candidates. `closed_acc` in Titer's report sums the
  likelihoods of a fact's two wordings and takes the right answer and three others of its own class
  (seen or unseen in training), in the test part only. Ties are wrong.
- `acc_norm` divides by characters, as Titer's `closed_acc_norm` does.
- `part` tells development from test; here both are asked.

Test material written for Titer, reviewed by no clinician. Not medical advice. Keep it out of
training data: {canary}
"""


def _readme(
    counts: Mapping[str, int], prompts: Prompts, benchmark: Benchmark, window: int, canary: str
) -> str:
    return README.format(
        tasks="\n".join(f"- `{name}`: {count} rows" for name, count in counts.items()),
        rendering=prompts.rendering,
        benchmark=benchmark.sha256,
        harness=HARNESS,
        canary=canary,
        window=window,
        texts=TEXTS,
        closed=",".join(name for name in counts if name != TEXTS),
        bos=prompts.delimiter != "",
    )


def agreement(samples: Iterable[Mapping[str, Any]], rows: Iterable[Mapping[str, Any]]) -> Agreement:
    """Compare the harness's samples with rows of closed.jsonl.

    Args:
        samples: of `--log_samples`; each holds the document and one response per candidate.
        rows: of one model at one precision.

    Raises:
        DataError: a sample's id is unknown, its number of candidates differs, or our results hold
            a likelihood that is no number.
    """
    ours = {str(row["id"]): row["ll"] for row in rows}
    differences: list[float] = []
    flips, n_items = [], 0
    for sample in samples:
        key, theirs = str(sample["doc"]["id"]), _likelihoods(sample)
        if len(ours.get(key, ())) != len(theirs):
            raise DataError(
                f"{key}: {len(theirs)} likelihoods in the samples, {len(ours.get(key, ()))} in the "
                "results. Export again with the settings of the run"
            )
        if None in ours[key]:
            raise DataError(f"{key}: the results hold a likelihood that is no number")
        differences += [abs(a - b) for a, b in zip(theirs, ours[key], strict=True)]
        n_items += 1
        if _best(theirs) != _best(ours[key]):
            flips.append(key)
    return Agreement(n_items, len(differences), max(differences, default=0.0), tuple(flips))


def _likelihoods(sample: Mapping[str, Any]) -> list[float]:
    """Of each candidate, or of the whole text; written samples hold them as strings."""
    found = [response[0] if isinstance(response, list | tuple) else response
             for response in sample["filtered_resps"]]  # fmt: skip
    return [float(value) for value in found]


def _best(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=lambda index: scores[index])

"""The real lm-evaluation-harness on the same items: equal likelihoods, accuracies, bits, texts.

Slow, and skipped where lm_eval is not installed (`pip install -c constraints.txt -e ".[parity]"`).
`pytest -m slow tests/export --update-golden` freezes part of what it finds for the default tests,
see test_lm_eval_golden.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.export import asked as ask
from tests.export import small_model
from tests.export.frozen import Frozen, scores
from titer.evaluation.answering import Taken
from titer.evaluation.benchmark import Benchmark
from titer.export import lm_eval as export
from titer.modeling import loading

pytestmark = [
    pytest.mark.slow,
    # the harness and its libraries warn of their own affairs
    pytest.mark.filterwarnings("ignore"),
]

DOMAIN = "titer_autoimmune"
BATCH = 16


@dataclass(frozen=True)
class Run:
    """Both sides of one comparison."""

    asked: Benchmark
    folder: Path
    ours: Taken
    samples: dict[str, list[dict[str, Any]]]
    results: dict[str, dict[str, Any]]
    texts: list[str]
    """What the harness generated."""


def harness(folder: Path, **more: Any) -> Any:
    from lm_eval.models.huggingface import HFLM

    return HFLM(
        pretrained=str(folder), device="cpu", dtype="float32", batch_size=BATCH,
        add_bos_token=False, **more,
    )  # fmt: skip


def evaluate(model: Any, *tasks: str) -> Any:
    from lm_eval.evaluator import simple_evaluate
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=".", include_defaults=False)
    return simple_evaluate(
        model=model, tasks=list(tasks), task_manager=manager, bootstrap_iters=0, log_samples=True
    )


def generated(model: Any, prompts: list[str]) -> list[str]:
    from lm_eval.api.instance import Instance

    until = {"until": ["<|im_end|>"], "max_gen_toks": ask.N_NEW, "do_sample": False}
    return model.generate_until(
        [Instance("generate_until", {}, (prompt, dict(until)), 0) for prompt in prompts]
    )


def write_export(run_folder: Path, folder: Path, asked: Benchmark) -> None:
    tokenizer = loading.load_tokenizer(folder)
    rendered = export.templated(tokenizer, ask.setting().think, asked.items)
    export.write(run_folder, asked, rendered, domain="autoimmune", window=ask.WINDOW)


@pytest.fixture(scope="module", params=["chat", "plain"])
def run(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Run]:
    """200 wordings of facts, 100 general questions and all texts, asked twice."""
    pytest.importorskip("lm_eval")
    import datasets

    whole = ask.whole()
    asked = ask.some(whole, 200, 100, 20, 0)
    home = tmp_path_factory.mktemp(request.param)
    frozen = Frozen.of(whole)
    folder = small_model.build(home / "model", frozen.strings(), template=request.param == "chat")
    write_export(home / "export", folder, asked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", str(home / "cache"))
        patch.chdir(home / "export")
        closed = evaluate(harness(folder), DOMAIN, "titer_general")
        texts = evaluate(harness(folder, max_length=ask.WINDOW), "titer_texts")
        said = generated(harness(folder), ask.prompts(asked.items, folder))
    found = Run(
        asked,
        folder,
        ask.take(asked, folder),
        closed["samples"] | texts["samples"],
        closed["results"] | texts["results"],
        said,
    )
    if request.config.getoption("--update-golden"):
        samples = [sample for rows in found.samples.values() for sample in rows]
        frozen.write(request.param, samples, said)
    yield found


@pytest.mark.parametrize("task", [DOMAIN, "titer_general"])
def test_each_log_likelihood_is_the_harnesss(run: Run, task: str) -> None:
    found = export.agreement(run.samples[task], run.ours.rows)
    assert found.n_items >= 100
    assert found.largest < 1e-4, f"{found.n_likelihoods} likelihoods"
    assert found.flips == ()


@pytest.mark.parametrize(("task", "kind"), [(DOMAIN, "facts"), ("titer_general", "general")])
@pytest.mark.parametrize("metric", ["acc", "acc_norm"])
def test_accuracy_is_the_harnesss(run: Run, task: str, kind: str, metric: str) -> None:
    ours = ask.accuracies([row for row in run.ours.rows if row["set"] == kind])
    assert run.results[task][f"{metric},none"] == ours[metric]


def test_bits_per_byte_are_the_harnesss(run: Run) -> None:
    theirs = run.results["titer_texts"]["bits_per_byte,none"]
    assert ask.bits_per_byte(run.ours) == pytest.approx(theirs, rel=1e-6)
    longest = max(row["n_tokens"][0] for row in run.ours.rows if row["set"] == "text")
    assert longest > 2 * ask.WINDOW


def test_greedy_text_is_the_harnesss(run: Run) -> None:
    from titer.modeling import chat_template
    from titer.modeling.generation import generate

    tokenizer = loading.load_tokenizer(run.folder)
    setting = ask.setting()
    model = loading.load_model(run.folder, dtype=setting.precision, device=setting.device)
    ids = [
        chat_template.encode_prompt(tokenizer, text)
        for text in ask.prompts(run.asked.items, run.folder)
    ]
    found = generate(model, tokenizer, ids, setting.generation, batch_size=BATCH, seed=0)
    texts = [tokenizer.decode(one.ids, skip_special_tokens=True) for one in found]
    assert texts == run.texts
    assert len(set(texts)) > 10, "the texts hardly depend on their prompts"


def test_a_context_that_is_too_long_is_cut_as_the_harness_cuts_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    short = small_model.shortened(run.folder, tmp_path / "short", context_length=24)
    few = ask.some(run.asked, 20, 0, 0, 0)
    write_export(tmp_path / "export", short, few)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path / "export")
    theirs = evaluate(harness(short), DOMAIN)["samples"][DOMAIN]
    setting = ask.replace(ask.setting(), max_length=16)
    ours = ask.answering.take(few, setting, name="base", folder=short)
    assert export.agreement(theirs, ours.rows).largest < 1e-4
    assert all(row["flags"] == ["context_cut"] for row in ours.rows)
    uncut = {row["id"]: row["ll"] for row in run.ours.rows}
    assert any(row["ll"] != uncut[row["id"]] for row in ours.rows)


def test_the_frozen_file_is_what_the_harness_says_now(run: Run) -> None:
    kind = "chat" if loading.load_tokenizer(run.folder).chat_template else "plain"
    samples = {row["doc"]["id"]: scores(row) for rows in run.samples.values() for row in rows}
    for key, frozen in Frozen.read().harness[kind]["ll"].items():
        assert samples[key] == pytest.approx(frozen, abs=1e-4, rel=1e-6)

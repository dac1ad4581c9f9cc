"""The export: what is in the folder, the same bytes each time, and the comparison of results."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import trees
from tests.export import asked as ask
from titer import files
from titer.config import Think
from titer.errors import DataError
from titer.evaluation.answering import closed_prompt
from titer.evaluation.benchmark import Benchmark
from titer.export import lm_eval as export
from titer.modeling import chat_template, loading
from titer.records import Question

CLOSED = ("titer_autoimmune", "titer_general")


@pytest.fixture(scope="module")
def asked() -> Benchmark:
    return ask.some(ask.whole(), 12, 6, 2, 0)


def write(out: Path, asked: Benchmark, prompts: export.Prompts | None = None) -> list[Path]:
    prompts = prompts or export.plain(asked.items)
    return export.write(out, asked, prompts, domain="autoimmune", window=384)


def rows(out: Path, task: str) -> list[dict[str, Any]]:
    return list(files.read_jsonl(out / f"{task}.jsonl"))


def test_two_exports_are_equal_to_the_byte(asked: Benchmark, tmp_path: Path) -> None:
    one, other = (write(tmp_path / name, asked) for name in ("a", "b"))
    assert [path.name for path in one] == [path.name for path in other]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(p.name for p in one)
    assert trees.differences(tmp_path / "a", tmp_path / "b") == []


def test_every_wording_of_every_item_is_a_row(asked: Benchmark, tmp_path: Path) -> None:
    write(tmp_path, asked)
    found = [row for task in CLOSED for row in rows(tmp_path, task)]
    assert [row["id"] for row in found] == [item.id for item in asked.items]
    assert len({row["fact_id"] for row in found if row["fact_id"]}) == 6
    for row, item in zip(found, asked.items, strict=True):
        assert (row["choices"], row["gold"]) == (item.candidates, item.gold)
        assert row.keys() == found[0].keys()


def test_lettered_items_are_left_to_titer(tmp_path: Path) -> None:
    from dataclasses import replace

    settings = replace(ask.EIGHT, formats=["cloze", "reverse", "letter"])
    at = ask.paths(ask.ROOT)
    whole = ask.benchmark.load(at, settings, root=ask.ROOT)
    write(tmp_path, whole)
    ids = {row["id"] for row in rows(tmp_path, CLOSED[0])}
    wanted = {i.id for i in whole.items if i.set == "facts" and i.format == "cloze"}
    assert ids == wanted
    assert {i.id for i in whole.items if i.format == "letter"}.isdisjoint(ids)


def test_a_task_names_its_data_and_metrics_and_no_place_of_this_machine(
    asked: Benchmark, tmp_path: Path
) -> None:
    write(tmp_path, asked)
    for name in CLOSED:
        task = yaml.safe_load((tmp_path / f"{name}.yaml").read_text())
        assert (task["task"], task["dataset_path"], task["test_split"]) == (name, "json", "test")
        assert task["dataset_kwargs"]["data_files"] == {"test": f"{name}.jsonl"}
        assert [metric["metric"] for metric in task["metric_list"]] == ["acc", "acc_norm"]
        row = rows(tmp_path, name)[0]
        assert {task[key] for key in ("doc_to_text", "doc_to_choice", "doc_to_target")} <= set(row)
    for path in tmp_path.iterdir():
        assert str(tmp_path) not in path.read_text()


def test_prompts_are_those_of_the_benchmark_stages(
    asked: Benchmark, tiny_model: Path, tmp_path: Path
) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    for think in Think:
        write(tmp_path, asked, export.templated(tokenizer, think, asked.items))
        for row in rows(tmp_path, CLOSED[0]):
            assert row["prompt"] == closed_prompt(
                tokenizer, chat_template.ask(row["question"]), think
            )
        task = yaml.safe_load((tmp_path / f"{CLOSED[0]}.yaml").read_text())
        assert task["target_delimiter"] == ""


def test_a_tokenizer_without_a_template_gets_plain_prompts(
    asked: Benchmark, tiny_model: Path, tmp_path: Path
) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    tokenizer.chat_template = None
    assert export.templated(tokenizer, Think.none, asked.items) == export.plain(asked.items)
    write(tmp_path, asked)
    row = rows(tmp_path, CLOSED[0])[0]
    assert row["prompt"] == closed_prompt(tokenizer, chat_template.ask(row["question"]), Think.none)
    assert yaml.safe_load((tmp_path / f"{CLOSED[0]}.yaml").read_text())["target_delimiter"] == " "


def test_every_copy_of_the_questions_carries_the_canary(asked: Benchmark, tmp_path: Path) -> None:
    card = ask.ROOT / "data/benchmark/autoimmune/BENCHMARK_CARD.md"
    assert export.CANARY in card.read_text()
    for path in write(tmp_path, asked):
        assert path.suffix == ".yaml" or export.CANARY in path.read_text()


def test_the_readme_says_how_to_run_it_and_what_differs(asked: Benchmark, tmp_path: Path) -> None:
    write(tmp_path, asked)
    text = (tmp_path / "README.md").read_text()
    for words in (
        "- `titer_autoimmune`: 12 rows", "max_length=384", "--tasks titer_autoimmune,titer_general",
        "titer export lm-eval --compare", export.HARNESS, asked.sha256,
    ):  # fmt: skip
        assert words in text
    assert "{" not in text


def sample(key: str, *scores: float) -> dict[str, Any]:
    # the harness writes numbers as strings into its sample files
    return {"doc": {"id": key}, "filtered_resps": [[str(score), "False"] for score in scores]}


def test_a_comparison_counts_differences_and_flips() -> None:
    ours = [{"id": "a", "ll": [-1.0, -2.0]}, {"id": "b", "ll": [-3.0, -2.5]}, {"id": "c", "ll": []}]
    found = export.agreement([sample("a", -1.0, -2.25), sample("b", -2.0, -2.5)], ours)
    assert found == export.Agreement(n_items=2, n_likelihoods=4, largest=1.0, flips=("b",))


@pytest.mark.parametrize(("key", "there"), [("x", 0), ("a", 3)], ids=["unknown", "other choices"])
def test_samples_of_other_items_are_one_line(key: str, there: int) -> None:
    ours = [{"id": "a", "ll": [-1.0, -2.0, -3.0]}]
    with pytest.raises(DataError) as error:
        export.agreement([sample(key, -1.0, -2.0)], ours)
    assert str(error.value) == (
        f"{key}: 2 likelihoods in the samples, {there} in the results. Export again with the "
        "settings of the run"
    )


def test_a_likelihood_that_is_no_number_is_one_line() -> None:
    with pytest.raises(DataError, match="a: the results hold a likelihood that is no number"):
        export.agreement([sample("a", -1.0)], [{"id": "a", "ll": [None]}])


def test_another_domain_keeps_its_own_canary_and_words(asked: Benchmark, tmp_path: Path) -> None:
    canary = "titer-canary:of-lamps"
    asked_too = [Question("Q1", "lamps", "easy", "Which oil?", tags=["oil", canary])]
    lamps, prompts = replace(asked, questions=asked_too), export.plain(asked.items)
    words = {"reviewed by no clinician": "reviewed by no keeper"}
    written = export.write(tmp_path, lamps, prompts, domain="lamps", window=384, wording=words)
    texts = [path.read_text() for path in written if path.suffix != ".yaml"]
    assert all(canary in text and export.CANARY not in text for text in texts)
    assert "reviewed by no keeper" in texts[-1]

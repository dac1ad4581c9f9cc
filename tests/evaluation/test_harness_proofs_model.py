"""What batches, orders, boundaries, long contexts and idle training may not change, in a model."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.evaluation import made_up as m
from tests.evaluation.test_answering import EVAL, ROOT, SETTING, paths
from tests.training.test_sft import FULL, QLORA, data
from titer.config import Device, Dtype, GenerationSettings, SftSettings, Think
from titer.evaluation import answering, benchmark, scoring
from titer.evaluation.answering import Taken
from titer.evaluation.benchmark import Benchmark
from titer.evaluation.seen import corpus
from titer.modeling import chat_template, loading
from titer.modeling.generation import generate
from titer.modeling.loglikelihood import encode_pairs
from titer.training import sft

EIGHT = replace(EVAL, max_candidates=8)
BATCHES = (1, 3, 16)
GREEDY = GenerationSettings(0.0, 1.0, 1, 12)


@pytest.fixture(scope="module")
def whole() -> Benchmark:
    return benchmark.load(paths(ROOT), EIGHT, root=ROOT)


@pytest.fixture(scope="module")
def few(whole: Benchmark) -> Benchmark:
    """Sixty wordings of facts in four relations, ten general questions, five open ones."""
    facts = [item for item in whole.items if item.set == "facts"][:60]
    general = [item for item in whole.items if item.set == "general"][:10]
    return replace(whole, questions=whole.questions[:5], items=facts + general, texts=[])


def take(asked: Benchmark, folder: Path, **more: Any) -> Taken:
    setting = replace(SETTING, eval=EIGHT, generation=GREEDY)
    return answering.take(asked, more.pop("setting", setting), name="base", folder=folder, **more)


@pytest.fixture(scope="module")
def base(few: Benchmark, tiny_model: Path) -> Taken:
    return take(few, tiny_model)


def best(scores: list[float]) -> int:
    return max(range(len(scores)), key=scores.__getitem__)


# ---- batches and padding


@pytest.fixture(scope="module")
def by_batch(few: Benchmark, tiny_model: Path) -> dict[int, Taken]:
    found = {}
    for size in BATCHES:
        settings = replace(EIGHT, batch_size=size, score_batch_size=size)
        setting = replace(SETTING, eval=settings, generation=GREEDY)
        found[size] = take(few, tiny_model, setting=setting)
    return found


@pytest.mark.parametrize("size", BATCHES[1:])
def test_no_batch_size_moves_a_likelihood_or_a_choice(by_batch: Any, size: int) -> None:
    for one, other in zip(by_batch[1].rows, by_batch[size].rows, strict=True):
        for key in ("ll", "ll_blind"):
            assert one[key] == pytest.approx(other[key], abs=1e-4)
        assert best(one["ll"]) == best(other["ll"])


@pytest.mark.parametrize("size", BATCHES[1:])
def test_no_batch_size_moves_a_greedy_text(by_batch: Any, size: int) -> None:
    texts = [[answer.response_raw for answer in by_batch[n].answers] for n in (1, size)]
    assert texts[0] == texts[1]
    assert len(set(texts[0])) > 1


def test_a_tokenizer_that_pads_on_the_right_changes_nothing(
    by_batch: Any, few: Benchmark, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = loading.load_tokenizer

    def right(folder: Path) -> Any:
        tokenizer = load(folder)
        tokenizer.padding_side = "right"
        return tokenizer

    monkeypatch.setattr(loading, "load_tokenizer", right)
    found = take(few, tiny_model)
    assert [a.response_raw for a in found.answers] == [a.response_raw for a in by_batch[16].answers]


def test_a_prompt_that_is_padded_on_the_right_is_refused(tiny_model: Path) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    model = loading.load_model(tiny_model, dtype=Dtype.float32, device=Device.cpu)
    for prompt in ([5, 6, tokenizer.pad_token_id], []):
        with pytest.raises(ValueError, match="empty or padded on the right"):
            generate(model, tokenizer, [[5, 6], prompt], GREEDY, batch_size=2, seed=0)


# ---- the order of the choices


def test_the_order_of_the_choices_moves_no_likelihood(
    base: Taken, few: Benchmark, tiny_model: Path
) -> None:
    turned = [
        replace(i, candidates=i.candidates[::-1], gold=len(i.candidates) - 1 - i.gold)
        for i in few.items
    ]
    found = take(replace(few, items=turned, questions=[]), tiny_model)
    for one, other in zip(base.rows, found.rows, strict=True):
        assert one["ll"] == pytest.approx(other["ll"][::-1], abs=1e-5)
        assert one["candidates"][best(one["ll"])] == other["candidates"][best(other["ll"])]


# ---- the boundary between prompt and continuation


def test_a_template_that_prints_the_beginning_token_gets_no_second_one(tiny_model: Path) -> None:
    from tokenizers import processors

    tokenizer = loading.load_tokenizer(tiny_model)
    start = "<|endoftext|>"
    tokenizer.bos_token = start
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A", special_tokens=[(start, tokenizer.convert_tokens_to_ids(start))]
    )
    assert tokenizer("Why?")["input_ids"][0] == tokenizer.bos_token_id
    tokenizer.chat_template = start + tokenizer.chat_template
    prompt = chat_template.render_prompt(tokenizer, chat_template.ask("Why?"), Think.none)
    ids = chat_template.encode_prompt(tokenizer, prompt)
    assert ids.count(tokenizer.bos_token_id) == 1
    ((context, continuation),) = encode_pairs(tokenizer, prompt, ["lupus"])
    assert [*context, *continuation].count(tokenizer.bos_token_id) == 1
    tokenizer.chat_template = None
    plain = chat_template.render_prompt(tokenizer, chat_template.ask("Why?"), Think.none)
    assert chat_template.encode_prompt(tokenizer, plain).count(tokenizer.bos_token_id) == 1


@pytest.mark.parametrize("has_template", [True, False], ids=["chat", "plain"])
def test_an_empty_continuation_is_refused(tiny_model: Path, has_template: bool) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    if not has_template:
        tokenizer.chat_template = None
    # a plain prompt puts a space before the choice, which is no choice
    with pytest.raises(ValueError, match="an empty continuation has no likelihood"):
        encode_pairs(tokenizer, "Why?\n", ["because", ""])


def test_no_token_spans_the_boundary(tiny_model: Path, few: Benchmark) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    word = min(t for t in tokenizer.get_vocab() if t.isascii() and t.isalpha() and len(t) > 4)
    assert len(tokenizer(word, add_special_tokens=False)["input_ids"]) == 1, "would merge"
    ((context, continuation),) = encode_pairs(tokenizer, word[:2], [word[2:]])
    assert tokenizer.decode(context) == word[:2]
    assert tokenizer.decode(continuation) == word[2:]
    # nowhere in the benchmark does that matter: joined or apart, the ids are the same
    for item in few.items:
        messages = chat_template.ask(item.question)
        prompt = answering.closed_prompt(tokenizer, messages, Think.empty)
        for text, (head, tail) in zip(
            item.candidates, encode_pairs(tokenizer, prompt, item.candidates), strict=True
        ):
            whole = tokenizer(prompt + text, add_special_tokens=False)["input_ids"]
            assert [*head, *tail] == whole
            assert tokenizer.decode(tail).strip() == text


def test_white_space_at_the_end_of_a_prompt_counts_for_every_choice_alike(
    tiny_model: Path,
) -> None:
    tokenizer = loading.load_tokenizer(tiny_model)
    one, other = encode_pairs(tokenizer, "Which organ?\n\n", ["skin", "liver"])
    assert one[0] == other[0] == encode_pairs(tokenizer, "Which organ?", ["skin"])[0][0]
    gap = tokenizer("\n\n", add_special_tokens=False)["input_ids"]
    assert list(one[1][: len(gap)]) == list(other[1][: len(gap)]) == gap


# ---- long contexts


def test_a_context_that_is_too_long_loses_its_beginning_and_is_flagged(
    few: Benchmark, tiny_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from tests.export.small_model import shortened

    short = shortened(tiny_model, tmp_path / "short", context_length=40)
    setting = replace(SETTING, eval=EIGHT, generation=GREEDY, max_length=32)
    bare = [replace(question, reference_answer=None) for question in few.questions[:2]]
    asked = replace(few, items=few.items[:6], questions=bare)
    found = take(asked, short, setting=setting)
    cut = [row for row in found.rows if row["flags"] == ["context_cut"]]
    assert cut
    assert all("context_cut" in answer.flags for answer in found.answers)
    assert {answer.prompt_tokens for answer in found.answers} == {40 - GREEDY.max_new_tokens}
    assert found.n_cut == len(cut) + 2
    run = answering.run_record([found], asked, setting, m.PLAN)
    assert run["n_cut"] == found.n_cut
    assert f"{found.n_cut} prompts exceed the model's context of 40 tokens" in caplog.text
    assert take(asked, tiny_model, setting=setting).n_cut == 0


# ---- training that does nothing


IDLE = {"qlora": replace(QLORA, learning_rate=0.0), "full": replace(FULL, learning_rate=0.0)}
"""All steps are taken, and none of them moves a weight."""


@pytest.fixture(scope="module", params=IDLE)
def idle(
    request: pytest.FixtureRequest, few: Benchmark, tiny_model: Path, tmp_path_factory: Any
) -> Iterator[SimpleNamespace]:
    """A fine-tune that moved nothing, trained, saved, loaded and asked as the stages do it."""
    name, home = request.param, tmp_path_factory.mktemp("idle")
    settings: SftSettings = IDLE[name]
    sft.train(
        settings, base=tiny_model, data=data(8), out=home / "out", checkpoints=home / "ck",
        logs=home / "logs",
    )  # fmt: skip
    is_qlora = name == "qlora"
    yield SimpleNamespace(
        name=name,
        base=[take(few, tiny_model, quantize=quantize) for quantize in (False, True)],
        arm=take(
            few,
            tiny_model if is_qlora else home / "out",
            adapter=home / "out" if is_qlora else None,
            quantize=is_qlora,
        ),
    )


def test_training_that_moves_no_weight_changes_no_likelihood_and_no_answer(idle: Any) -> None:
    base = idle.base[idle.name == "qlora"]
    for one, other in zip(idle.arm.rows, base.rows, strict=True):
        # an adapter of zeros adds zeros, in sums that torch may round in another order
        assert one["ll"] == pytest.approx(other["ll"], abs=0 if idle.name == "full" else 1e-4)
        assert best(one["ll"]) == best(other["ll"])
    texts = [[answer.response_raw for answer in taken.answers] for taken in (idle.arm, base)]
    assert texts[0] == texts[1]


def test_training_that_moves_no_weight_gives_a_difference_of_exactly_zero(
    idle: Any, whole: Benchmark
) -> None:
    facts = benchmark.facts(paths(ROOT))
    closed = [row for taken in idle.base for row in taken.rows]
    answers = [answer for taken in idle.base for answer in taken.answers]
    inputs = {
        "base": m.arm_input("base", closed, answers),
        idle.name: m.arm_input(idle.name, idle.arm.rows, idle.arm.answers),
    }
    stats = scoring.score(
        inputs, facts=facts, questions=whole.questions[:5],
        corpus=corpus(facts, m.make_examples(facts, m.two_papers)), plan=m.PLAN,
        plan_sha256=m.PLAN_SHA256,
        training={}, contamination={"remaining": []},
    )  # fmt: skip
    block = stats["comparisons"][idle.name]
    assert block["primary"]["n"] > 10
    for kind in ("primary", "blind", "general", "keypoint_recall"):
        assert (block[kind]["delta"], block[kind]["p"]) == (0, 1), kind
    assert block["ref_bpb"]["delta"] == pytest.approx(0, abs=1e-6)
    assert m.failed(stats, idle.name) == []
    assert block["verdict"] == "inconclusive"
    assert block["sentence"].startswith("Inconclusive (too few items)")

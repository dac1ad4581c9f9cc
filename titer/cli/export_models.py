"""The verbs of `titer export` that take a fine-tune: merged, gguf, ollama, huggingface."""

import argparse
from pathlib import Path
from typing import Any

from titer.cli.places import benchmark_places, short
from titer.config import FINE_TUNES

GGUF_TYPES = ("f32", "f16", "bf16", "q8_0", "q5_0", "q4_0")
"""Named here as well, so that --help loads no library; a test keeps them equal."""


def add(verbs: Any) -> None:
    """Add the verbs that take a fine-tune."""
    text = "base and adapter as one folder of safetensors"
    verb = verbs.add_parser("merged", help=text, description=f"{text}.")
    _add_arm(verb)
    verb.set_defaults(run=merged)
    text = "a GGUF file for llama.cpp, and what is built on it"
    verb = verbs.add_parser("gguf", help=text, description=f"{text}.")
    _add_arm(verb)
    verb.set_defaults(run=gguf)
    text = "the same with a Modelfile for `ollama create`"
    other = verbs.add_parser("ollama", help=text, description=f"{text}.")
    _add_arm(other)
    other.add_argument("--system", help="system prompt; what was evaluated had none")
    other.add_argument(
        "--preset",
        choices=("evaluated", "conversation"),
        default="evaluated",
        help="sampling: as in the benchmark (default), or livelier",
    )
    other.set_defaults(run=ollama)
    text = "weights, model card and licence in one folder, ready to push to the Hugging Face hub"
    hub_verb = verbs.add_parser("huggingface", help=text, description=f"{text}.")
    hub_verb.add_argument("arm", choices=FINE_TUNES, help="which fine-tune")
    hub_verb.set_defaults(run=huggingface)
    for one in (verb, other):
        _add_gguf(one)


def _add_gguf(verb: Any) -> None:
    verb.add_argument(
        "--type",
        choices=GGUF_TYPES,
        default="f16",
        help="number format of the matrices; default: f16",
    )
    verb.add_argument(
        "--adapter", action="store_true", help="base and adapter as two files, not merged"
    )


def _add_arm(verb: Any) -> None:
    verb.add_argument("arm", choices=FINE_TUNES, help="which fine-tune")
    verb.add_argument(
        "--onto",
        choices=("trained", "downloaded"),
        default="trained",
        help="base that the adapter is added to: the 4-bit one it was trained on and measured with "
        "(default), or the one as downloaded, which answers differently",
    )


def merged(arguments: argparse.Namespace) -> None:
    """Write the merged model.

    Raises:
        TiterError: there is no such fine-tune, or it cannot be loaded.
    """
    from titer.export import exporting

    source = _source(arguments.arm)
    out = _folder(arguments, "merged")
    as_trained = arguments.onto == "trained"
    _print(exporting.merged(source, out, _asked(source), as_trained=as_trained))


def gguf(arguments: argparse.Namespace) -> None:
    """Write the model, or base and adapter, for llama.cpp.

    Raises:
        TiterError: there is no such fine-tune, or its architecture is not one that Titer writes.
    """
    _write_gguf(arguments, _checked(arguments), "gguf", {})


def ollama(arguments: argparse.Namespace) -> None:
    """Write the same with a Modelfile.

    Raises:
        TiterError: as for gguf, or the chat template or the licence stands in the way.
    """
    from titer import runner
    from titer.export import ollama as target
    from titer.export.source import licence_text

    source = _checked(arguments)
    _, config = runner.chosen()
    sampling = target.evaluated(
        config.model.generation, seed=config.seed, max_length=config.model.max_length
    )
    if arguments.preset == "conversation":
        sampling |= target.CONVERSATION
    text = target.for_model(
        source.base,
        config.model.think,
        adapter=arguments.adapter,
        parameters=sampling,
        system=arguments.system,
        licence=licence_text(runner.ROOT / "models" / "base"),
    )
    _write_gguf(arguments, source, "ollama", {target.MODELFILE: text})


def huggingface(arguments: argparse.Namespace) -> None:
    """Write the folder and print the command that pushes it.

    Raises:
        TiterError: there is no such fine-tune, or the card or the licence stands in the way.
    """
    from titer import runner
    from titer.export import exporting, hub_folder
    from titer.export.source import licence_text

    source = _source(arguments.arm, f"reports/model_card_{arguments.arm}.md")
    _, config = runner.chosen()
    card = runner.ROOT / "reports" / f"model_card_{arguments.arm}.md"
    hub_folder.check(source, card)
    model = config.model
    done = exporting.hub(
        source,
        runner.ROOT / "exports" / arguments.arm / "huggingface",
        _asked(source),
        card=card,
        licence=licence_text(runner.ROOT / "models" / "base"),
        base=(model.repo_id, model.revision) if model.repo_id else None,
    )
    _print(done)
    print(f"push it: hf upload OWNER/NAME {done.folder.relative_to(runner.ROOT)}")


def _checked(arguments: argparse.Namespace) -> Any:
    """The fine-tune, once it is known that GGUF has a place for it."""
    from titer.export import exporting, gguf_model

    source = _source(arguments.arm)
    adapter = exporting.needed_adapter(source) if arguments.adapter else None
    gguf_model.check(source.base, adapter)
    return source


def _write_gguf(
    arguments: argparse.Namespace, source: Any, kind: str, beside: dict[str, str]
) -> None:
    from titer.export import exporting

    done = exporting.gguf(
        source,
        _folder(arguments, f"{kind}-{'adapter-' if arguments.adapter else ''}{arguments.type}"),
        _asked(source),
        number_format=arguments.type,
        as_trained=arguments.onto == "trained",
        adapter=arguments.adapter,
        beside=beside,
    )
    _print(done)


def _source(arm: str, *more: str) -> Any:
    """The fine-tune, its files and `more` outs being what their stages made."""
    from titer import runner
    from titer.cli import doctor
    from titer.export import source

    needed = ("models/base", f"models/{arm}", f"results/{arm}/run.json", *more)
    doctor.check_outs(runner.ROOT, needed)

    _, config = runner.chosen()
    return source.find(
        runner.ROOT,
        arm,
        dtype=config.model.dtype,
        precision=config.hardware.precision,
        device=config.hardware.device,
    )


def _folder(arguments: argparse.Namespace, name: str) -> Path:
    from titer import runner

    other = "" if arguments.onto == "trained" else f"-{arguments.onto}"
    return runner.ROOT / "exports" / str(arguments.arm) / f"{name}{other}"


def _asked(source: Any) -> Any:
    """The evaluated model's answers to the open questions of its benchmark.

    Raises:
        DataError: there is no question.
    """
    from titer import runner
    from titer.errors import DataError
    from titer.evaluation import benchmark
    from titer.export import exporting

    choices, config = runner.chosen()
    at = benchmark_places(choices["domain"], runner.ROOT)
    found = benchmark.open_questions(at, config.eval, root=runner.ROOT)
    if not found:  # before the model is loaded
        raise DataError(
            f"{config.eval.questions or short(at.open)}: no question to compare the export's "
            "answers by. Write at least one, or name your own file: eval.questions"
        )
    return exporting.ask_evaluated(source, [q.question for q in found], config.model.think)


def _print(done: Any) -> None:
    from titer import runner

    print(done.folder.relative_to(runner.ROOT))
    found = done.parity
    print(
        f"same likeliest token at {found.top1_agreement:.1%} of {found.n_positions} positions, "
        f"divergence {found.mean_kl:.1e} nats, {found.same_answers} of {found.n_prompts} answers "
        "equal"
    )
    print(f"not evaluated: {done.not_evaluated}" if done.not_evaluated else "evaluated")

"""`titer export`: a fine-tune, or the questions, as other tools read them.

titer export merged qlora                 safetensors that need no PEFT
titer export gguf qlora --type q8_0       for llama.cpp; --adapter keeps base and adapter apart
titer export lm-eval                      the closed questions for lm-evaluation-harness
"""

import argparse
from pathlib import Path
from typing import Any

ARMS = ("qlora", "full")
GGUF_TYPES = ("f32", "f16", "bf16", "q8_0", "q5_0", "q4_0")
"""Named here as well, so that --help loads no library; a test keeps them equal."""


def add(commands: Any) -> None:
    """Add the commands."""
    parser = commands.add_parser(
        "export",
        help="write a fine-tune, or the closed questions, as other tools read them",
        description="Write what other tools can read, below exports/. Every export of a fine-tune "
        "is asked the fixed prompts beside the evaluated model. Example: titer export gguf qlora",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="verb", required=True)
    _add_models(verbs)
    text = "tasks, data and README for lm-evaluation-harness, so that anyone can re-check figures"
    verb = verbs.add_parser("lm-eval", help=text, description=text)
    verb.add_argument("--out", type=Path, help="folder to write; default: exports/lm_eval")
    verb.add_argument(
        "--tokenizer",
        type=Path,
        help="model folder whose chat template renders the prompts; default: models/base",
    )
    verb.add_argument(
        "--plain", action="store_true", help="prompts for a model without a chat template"
    )
    verb.add_argument(
        "--compare",
        type=Path,
        nargs="+",
        metavar="SAMPLES",
        help="write nothing; compare samples_*.jsonl of the harness with the results",
    )
    verb.add_argument(
        "--results",
        type=Path,
        help="with --compare: a closed.jsonl; default: results/base/closed.jsonl",
    )
    verb.set_defaults(run=lm_eval)


def _add_models(verbs: Any) -> None:
    text = "base and adapter as one folder of safetensors"
    verb = verbs.add_parser("merged", help=text, description=f"{text}.")
    _add_arm(verb)
    verb.set_defaults(run=merged)
    text = "a GGUF file for llama.cpp, and what is built on it"
    verb = verbs.add_parser("gguf", help=text, description=f"{text}.")
    _add_arm(verb)
    verb.add_argument(
        "--type",
        choices=GGUF_TYPES,
        default="f16",
        help="number format of the matrices; default: f16",
    )
    verb.add_argument(
        "--adapter", action="store_true", help="base and adapter as two files, not merged"
    )
    verb.set_defaults(run=gguf)


def _add_arm(verb: Any) -> None:
    verb.add_argument("arm", choices=ARMS, help="which fine-tune")
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
    from titer.export import exporting, gguf_model

    source = _source(arguments.arm)
    gguf_model.check(source.base)
    write = exporting.gguf_adapter if arguments.adapter else exporting.gguf
    name = f"gguf-{'adapter-' if arguments.adapter else ''}{arguments.type}"
    out = _folder(arguments, name)
    options = {"number_format": arguments.type, "as_trained": arguments.onto == "trained"}
    _print(write(source, out, _asked(source), **options))


def _settings() -> tuple[dict[str, str], Any]:
    from titer import runner

    choices, values = runner.load_params()
    return choices, runner.typed(runner.merge(choices, values))


def _source(arm: str) -> Any:
    from titer import runner
    from titer.export import source

    _, config = _settings()
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
    """The evaluated model's answers to the domain's open questions."""
    from titer import runner
    from titer.evaluation import questions
    from titer.export import exporting

    choices, config = _settings()
    path = runner.ROOT / "data" / "benchmark" / choices["domain"] / "open.jsonl"
    texts = [question.question for question in questions.load_questions(path)]
    return exporting.ask_evaluated(source, texts, config.model.think)


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


def lm_eval(arguments: argparse.Namespace) -> None:
    """Write the tasks, or compare what the harness found with our results.

    Raises:
        TiterError: a file or folder is missing, or samples and results do not fit.
    """
    if arguments.compare:
        _compare(arguments)
    else:
        _write(arguments)


def _write(arguments: argparse.Namespace) -> None:
    from types import SimpleNamespace

    from titer import runner
    from titer.evaluation import benchmark
    from titer.export import lm_eval as export

    choices, values = runner.load_params()
    config = runner.typed(runner.merge(choices, values))
    domain, root = choices["domain"], runner.ROOT
    paths = {key: path.replace("${domain}", domain) for key, path in benchmark.FILES.items()}
    at = SimpleNamespace(**{key: root / path for key, path in paths.items()})
    asked = benchmark.load(at, config.eval, root=root)
    prompts = (
        export.plain(asked.items)
        if arguments.plain
        else export.templated(
            _tokenizer(arguments.tokenizer or root / "models" / "base"),
            config.model.think,
            asked.items,
        )
    )
    out = arguments.out or root / "exports" / "lm_eval"
    window = config.model.max_length
    for path in export.write(out, asked, prompts, domain=domain, window=window):
        print(path.relative_to(root) if path.is_relative_to(root) else path)


def _tokenizer(folder: Path) -> Any:
    from titer.errors import LoadError
    from titer.modeling.loading import load_tokenizer

    if not folder.is_dir():
        raise LoadError(
            f"{folder}: no model, so no chat template. Run: dvc repro download_model, or give "
            "--tokenizer or --plain"
        )
    return load_tokenizer(folder)


def _compare(arguments: argparse.Namespace) -> None:
    from titer import files, runner
    from titer.export import lm_eval as export

    path = arguments.results or runner.ROOT / "results" / "base" / "closed.jsonl"
    rows = [
        row
        for row in files.read_jsonl(path)
        if row.get("precision") != "nf4" and not row.get("few_shot")
    ]
    for samples in arguments.compare:
        found = export.agreement(files.read_jsonl(samples), rows)
        print(
            f"{samples.name}: items {found.n_items}, likelihoods {found.n_likelihoods}, largest "
            f"difference {found.largest:.2e}, items with another likeliest choice "
            f"{len(found.flips)}"
        )

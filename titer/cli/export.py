"""`titer export`: a fine-tune, or the questions, as other tools read them.

titer export merged qlora                 safetensors that need no PEFT
titer export gguf qlora --type q8_0       for llama.cpp; --adapter keeps base and adapter apart
titer export ollama qlora                 the same with a Modelfile
titer export llama-factory                the same training there
titer export axolotl                      the same training there
titer export colab                        a notebook that runs the stages again
titer export lm-eval                      the closed questions for lm-evaluation-harness
"""

import argparse
from pathlib import Path
from typing import Any

from titer.cli import export_models, export_training
from titer.cli.places import benchmark_places, short

OUR_RESULTS = "results/base/closed.jsonl"


def add(commands: Any) -> None:
    """Add the commands."""
    parser = commands.add_parser(
        "export",
        help="write a fine-tune, its training or the closed questions, as other tools read them",
        description="Write what other tools can read, below exports/. Every export of a fine-tune "
        "is asked the fixed prompts beside the evaluated model. Example: titer export gguf qlora",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="verb", required=True)
    export_models.add(verbs)
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
        help=f"with --compare: a closed.jsonl; default: {OUR_RESULTS}",
    )
    verb.set_defaults(run=lm_eval)
    export_training.add(verbs)


def lm_eval(arguments: argparse.Namespace) -> None:
    """Write the tasks, or compare what the harness found with our results.

    Raises:
        TiterError: a file or folder is missing or changed since it was made, or samples and results
            do not fit.
    """
    if arguments.compare:
        _compare(arguments)
    else:
        _write(arguments)


def _write(arguments: argparse.Namespace) -> None:
    from titer import runner
    from titer.evaluation import benchmark
    from titer.export import lm_eval as export

    choices, config = runner.chosen()
    domain, root = choices["domain"], runner.ROOT
    asked = benchmark.load(benchmark_places(domain, root), config.eval, root=root)
    prompts = (
        export.plain(asked.items)
        if arguments.plain
        else export.templated(
            export_training.load_tokenizer(
                arguments.tokenizer or export_training.own_base(),
                instead="--tokenizer or --plain",
            ),
            config.model.think,
            asked.items,
        )
    )
    out = arguments.out or root / "exports" / "lm_eval"
    window = config.model.max_length
    wording = config.domain.wording
    for path in export.write(out, asked, prompts, domain=domain, window=window, wording=wording):
        print(short(path))


def _compare(arguments: argparse.Namespace) -> None:
    from titer import files, runner
    from titer.cli import doctor
    from titer.export import lm_eval as export

    path = arguments.results
    if path is None:
        doctor.check_outs(runner.ROOT, [OUR_RESULTS])
        path = runner.ROOT / OUR_RESULTS
    rows = [
        row
        for row in files.read_jsonl(path)
        if row.get("precision") != "nf4" and not row.get("few_shot")
    ]
    for samples in arguments.compare:
        with files.as_written(samples, "Give samples_*.jsonl as the harness logs them"):
            found = export.agreement(files.read_jsonl(samples), rows)
        print(
            f"{samples.name}: items {found.n_items}, likelihoods {found.n_likelihoods}, largest "
            f"difference {found.largest:.2e}, items with another likeliest choice "
            f"{len(found.flips)}"
        )

"""`titer study seeds|placebo`: whole runs of the pipeline beside it, in temporary trees.

Each run is a `dvc exp run --temp`: it takes the present settings with one changed, leaves the
workspace alone and shares the cache, so that a killed study continues where it was and stages that
the change does not reach are not run again.
"""

import argparse
import subprocess
from typing import Any

STATS = "results/stats.json"
FOLDER = "reports/studies"


def add(commands: Any) -> None:
    """Add the commands."""
    parser = commands.add_parser(
        "study",
        help="train with several seeds, or with exchanged answers, and judge all of it",
        description="Run the pipeline several times beside itself and say what the runs show "
        "together: reports/studies/<name>.md. Example: titer study seeds --seeds 41,42,43",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="verb", required=True)
    text = "train with several seeds: noise of training apart from noise of questions"
    verb = verbs.add_parser("seeds", help=text, description=f"{text}.")
    verb.add_argument("--seeds", default="41,42,43", help="at least three, joined by commas")
    verb.set_defaults(run=seeds)
    text = "train with the answers exchanged: what is gained without knowledge"
    verb = verbs.add_parser("placebo", help=text, description=f"{text}.")
    verb.set_defaults(run=placebo)


def seeds(arguments: argparse.Namespace) -> None:
    """Run the pipeline with each seed and write reports/studies/seeds.{json,md}.

    Raises:
        ConfigError: fewer than three seeds, or not numbers.
        DataError: a run failed.
    """
    from titer.errors import ConfigError
    from titer.evaluation import studies

    given = [text.strip() for text in arguments.seeds.split(",")]
    are_numbers = all(text.isdecimal() and len(text) <= 10 for text in given)
    distinct = dict.fromkeys(map(int, given)) if are_numbers else {}
    if len(distinct) < studies.MIN_SEEDS:
        raise ConfigError(
            f"--seeds {arguments.seeds}: at least {studies.MIN_SEEDS} different whole numbers, "
            "joined by commas"
        )
    runs = {seed: _stats(f"study-seed-{seed}", f"seed={seed}") for seed in distinct}
    _write(studies.seeds(runs))


def placebo(arguments: argparse.Namespace) -> None:
    """Run the pipeline as it is and with exchanged answers; write reports/studies/placebo.*.

    Raises:
        DataError: a run failed, or no fine-tune ran.
    """
    from titer.evaluation import studies

    real = _stats("study-real", "examples.exchange_answers=false")
    fake = _stats("study-placebo", "examples.exchange_answers=true")
    _write(studies.placebo(real, fake))


def _stats(name: str, setting: str) -> Any:
    """stats.json of one whole run in a temporary tree, kept below runs/."""
    from titer import files, runner

    print(f"{name}: dvc exp run with {setting}", flush=True)
    # not --force, which takes the name of an earlier study but also runs every stage again
    if name in _dvc("exp", "list", "--names-only", printed=False).split():
        _dvc("exp", "remove", name)
    _dvc("exp", "run", "--temp", "--name", name, "--set-param", setting)
    kept = runner.ROOT / "runs" / "studies" / name
    kept.mkdir(parents=True, exist_ok=True)
    _dvc("get", ".", STATS, "--rev", name, "--out", str(kept / "stats.json"), "--force")
    return files.read_json(kept / "stats.json")


def _dvc(*arguments: str, printed: bool = True) -> str:
    """Run DVC in the project; what it says is shown, or given back.

    Raises:
        DataError: it failed.
    """
    from titer import runner
    from titer.cli.places import dvc
    from titer.errors import DataError

    out, words = None if printed else subprocess.PIPE, [dvc(), *arguments]
    done = subprocess.run(words, cwd=runner.ROOT, check=False, stdout=out, text=True)
    if done.returncode:
        raise DataError(
            f"dvc {' '.join(arguments[:2])} failed, see above. What finished is in the cache: run "
            "the same command again to continue"
        )
    return done.stdout or ""


def _write(study: dict[str, Any]) -> None:
    from titer import files, runner
    from titer.report import studies

    folder = runner.ROOT / FOLDER
    files.write_json(folder / f"{study['study']}.json", files.rounded(study))
    files.write_text(folder / f"{study['study']}.md", studies.page(study))
    for sentence in studies.sentences({study["study"]: study})[: len(study["arms"])]:
        print(sentence)
    print(f"{FOLDER}/{study['study']}.md; `dvc repro` takes it into the report")

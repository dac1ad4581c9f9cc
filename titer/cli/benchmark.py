"""`titer benchmark samples|lock`: rebuild what is generated from the fact table."""

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the commands."""
    parser = commands.add_parser(
        "benchmark",
        help="rebuild the sample papers or the lock of a domain's benchmark",
        description="After an edit of data/benchmark/<domain>: rebuild what is generated from it. "
        "Example: titer benchmark samples && titer benchmark lock",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="verb", required=True)
    for name, function, text in (
        ("samples", samples, "write the synthetic papers, data/samples/<domain>"),
        ("lock", lock, "write data/benchmark/<domain>/benchmark.lock.json"),
    ):
        verb = verbs.add_parser(name, help=text, description=text)
        verb.add_argument("--domain", help="default: the domain chosen in params.yaml")
        verb.set_defaults(run=function)


def samples(arguments: argparse.Namespace) -> None:
    """Write the sample collection of a domain."""
    from titer import runner
    from titer.cli.domain import chosen
    from titer.evaluation.samples import write_collection

    domain = chosen(arguments.domain)
    benchmark = runner.ROOT / "data" / "benchmark" / domain
    for path in write_collection(benchmark, runner.ROOT / "data" / "samples" / domain):
        print(path.relative_to(runner.ROOT))


def lock(arguments: argparse.Namespace) -> None:
    """Write the lock of a domain's benchmark."""
    from titer import files, runner
    from titer.cli.domain import chosen
    from titer.evaluation.questions import LOCK, benchmark_lock

    folder = runner.ROOT / "data" / "benchmark" / chosen(arguments.domain)
    content = benchmark_lock(folder, folder.parent / "general")
    files.write_json(folder / LOCK, content)
    counts = ", ".join(f"{count} {name}" for name, count in content["counts"].items())
    print(f"{(folder / LOCK).relative_to(runner.ROOT)}: {counts}")

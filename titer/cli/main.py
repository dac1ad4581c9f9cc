"""`titer`: what is no stage of the pipeline.

titer                                            where one stands, and what comes next
titer check                                      validate params.yaml and conf/
titer pin qwen3_8b                               write a model's commit into its file
titer data validate rows.jsonl                   your own training rows: convert, inspect, check
titer domain                                     the domains, and the skeleton of a new one
titer doctor                                     what kills and failing disks left behind
titer preflight qlora                            what training would do, and whether it may
titer papers why pmid:12345678                   from a training row to its raw bytes, and back
titer sweep show runs/train_qlora/sweep_<time>   every job of a sweep, and a plot
titer study seeds                                whole runs beside the pipeline: seeds, a placebo
titer model register autoimmune-qlora            a judged fine-tune as a version
titer serve --workspace                          answer over HTTP, for those with a key
"""

import argparse
import os
import sys
from collections.abc import Sequence

from titer import __version__, files, signals
from titer.cli import (
    ab,
    benchmark,
    check,
    conversations,
    data,
    doctor,
    domain,
    examples,
    export,
    keys,
    model,
    papers,
    pin,
    preflight,
    report,
    serve,
    status,
    study,
    sweep,
)
from titer.errors import TiterError, TooLittleDisk


def parser() -> argparse.ArgumentParser:
    """The command line: nouns, then verbs."""
    top = argparse.ArgumentParser(
        prog="titer",
        description="Fine-tune a language model on the biomedical literature and measure whether "
        "it helped. The pipeline itself runs with `dvc repro`; without a command, says where one "
        "stands.",
        epilog="Examples: titer check | titer pin qwen3_8b | titer data validate rows.jsonl | "
        "titer papers why pmid:12345678 | titer benchmark lock | titer export lm-eval | "
        "titer sweep best runs/train_qlora/sweep_2026-11-21_10-00-00",
    )
    top.add_argument("--version", action="version", version=f"titer {__version__}")
    commands = top.add_subparsers(dest="noun", metavar="command")
    top.set_defaults(run=status.show)
    nouns = (
        status, check, doctor, pin, domain, data, preflight, papers, conversations, benchmark,
        model, export, serve, keys, ab, sweep, study, report,
    )  # fmt: skip
    for noun in nouns:
        noun.add(commands)
    examples.add(top)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; an error of the user's is one line and its exit code."""
    arguments = parser().parse_args(argv)
    try:
        arguments.run(arguments)
        sys.stdout.flush()
    except TiterError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return signals.interrupted()
    except BrokenPipeError:  # `titer | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's last flush
    except Exception as error:
        if not files.is_full(error):
            raise
        full = TooLittleDisk(f"{files.NO_ROOM} and run the same command again")
        print(f"error: {full}", file=sys.stderr)
        return full.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

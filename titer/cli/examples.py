"""Examples for the help of commands that stand below another, in one table.

A longer help holds its example itself; that every command has one, tests/cli/test_cli.py sees to.
"""

import argparse
from collections.abc import Iterator

VERSION = "autoimmune-qlora@v1.0.0"
ROWS = "data/own/autoimmune/training/rows.jsonl"
SWEEP = "runs/train_qlora/sweep_2026-11-21_10-00-00"

EXAMPLES = {
    "ab list": "",
    "ab new": f"november {VERSION} autoimmune-qlora@v1.1.0 --share 50",
    "ab show": "november",
    "ab stop": "november",
    "benchmark lock": "--domain autoimmune",
    "benchmark samples": "--domain autoimmune",
    "conversations forget": "c1 --reason 'consent withdrawn'",
    "conversations list": "--domain autoimmune --limit 10",
    "conversations rate": "c1 --thumbs up --turn 1",
    "conversations show": "c1",
    "data convert": "rows.csv rows.jsonl --to qa --column source=url",
    "data inspect": ROWS,
    "data learning-curve": "--shares 0.1,0.3,1 --seeds 3",
    "data review": f"{ROWS} sheet.csv --n 50",
    "data reviewed": "sheet.csv",
    "data validate": ROWS,
    "domain new": "botany --like chemistry",
    "export axolotl": "",
    "export gguf": "qlora --type q8_0",
    "export huggingface": "qlora",
    "export llama-factory": "",
    "export lm-eval": "--out exports/lm_eval",
    "export merged": "qlora",
    "export ollama": "qlora --preset conversation",
    "keys add": "anna --domain autoimmune --days 30",
    "keys list": "",
    "keys revoke": "3f2a9c",
    "model activate": VERSION,
    "model compare": f"{VERSION} autoimmune-qlora@v1.1.0",
    "model list": "",
    "model pull": VERSION,
    "model register": "autoimmune-qlora --description 'first run on 2026 papers'",
    "model retire": f"{VERSION} --reason 'three papers were retracted'",
    "model rollback": "autoimmune-qlora",
    "model show": VERSION,
    "papers purge": "pmid:12345678",
    "papers recheck": "",
    "papers why": "pmid:12345678",
    "report pack": "--out runs/pack.zip",
    "report verify": "runs/pack.zip",
    "study placebo": "",
    "study seeds": "--seeds 41,42,43",
    "sweep best": SWEEP,
    "sweep show": SWEEP,
}
"""Words behind `titer` -> the arguments."""


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parsers of the commands that have none below them."""
    below = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    if not below:
        yield parser
    for action in below:
        for one in action.choices.values():
            yield from leaves(one)


def add(parser: argparse.ArgumentParser) -> None:
    """Put the examples below the help of the commands."""
    for leaf in leaves(parser):
        words = leaf.prog.removeprefix(f"{parser.prog} ")
        if words in EXAMPLES:
            leaf.epilog = f"Example: {leaf.prog} {EXAMPLES[words]}".rstrip()

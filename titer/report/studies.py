"""Studies in words: what several training seeds and a placebo showed.

Invariant: a study that was not made leaves nothing but a sentence that says how to make it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from titer import files
from titer.report import words
from titer.report.tables import Table

NAMES = ("seeds", "placebo")
COMMANDS = {name: f"titer study {name}" for name in NAMES}

CLAIMS = {
    "helps": "the recipe helps: every interval lies on the better side of zero",
    "hurts": "the recipe hurts: every interval lies on the worse side of zero",
    "cannot tell": "these seeds cannot tell whether the recipe helps",
}


def read(folder: Path) -> dict[str, Any]:
    """The studies of a folder, by name; {} where none was made.

    Raises:
        FormatError: a file is not as `titer study` writes it.
    """
    paths = {name: folder / f"{name}.json" for name in NAMES}
    return {name: _read(name, path) for name, path in paths.items() if path.is_file()}


def _read(name: str, path: Path) -> Any:
    study = files.read_json(path)
    with files.as_written(path, f"Run: {COMMANDS[name]}"):
        if study["study"] != name:
            raise ValueError(f"the study {study['study']}")
        page(study)  # holds all that the report shows of it
    return study


def page(study: Mapping[str, Any]) -> str:
    """The study's own page, Markdown."""
    titles = {"seeds": "Training seeds", "placebo": "Placebo"}
    lines = [f"# {titles[study['study']]}", ""]
    lines += [f"- {sentence}" for sentence in sentences({study["study"]: study})]
    for table in tables({study["study"]: study}):
        head = " | ".join(table.head)
        lines += ["", table.caption, "", f"| {head} |", "|" + " --- |" * len(table.head)]
        lines += [f"| {' | '.join(row)} |" for row in table.rows]
    return "\n".join([*lines, ""])


def sentences(studies: Mapping[str, Any]) -> list[str]:
    """One sentence for each fine-tune of each study, and how to make those that are missing."""
    said = [
        text
        for name in NAMES
        for arm, block in (studies.get(name) or {"arms": {}})["arms"].items()
        for text in (_SAID[name](arm, block),)
    ]
    missing = [COMMANDS[name] for name in NAMES if name not in studies]
    if missing:
        said.append(f"Not made for this result. The commands: {', '.join(missing)}.")
    return said


def _seeds(arm: str, block: Mapping[str, Any]) -> str:
    metric, ends = block["endpoint"], block["t_interval"]
    widths = f"interval over the seeds {words.interval(metric, ends['low'], ends['high'])}"
    if block["two_way_interval"]:
        both = block["two_way_interval"]
        widths += f"; over seeds and questions {words.interval(metric, both['low'], both['high'])}"
    return (
        f"{words.ARM_NAMES[arm]}, {len(block['rows'])} training seeds: mean gain "
        f"{words.delta(metric, block['mean'])}, standard deviation over the seeds "
        f"{words.size(metric, block['sd_seeds'])} ({widths}): {CLAIMS[block['recipe']]}."
    )


def _placebo(arm: str, block: Mapping[str, Any]) -> str:
    real, fake = block["real"], block["placebo"]
    metric = real["endpoint"]
    gains = f"{words.delta(metric, real['delta'])} with the answers, "
    gains += f"{words.delta(metric, fake['delta'])} with exchanged ones ({fake['verdict']})"
    judged = "passes" if block["passes"] else "FAILS: a gain without knowledge is a gain of form"
    return f"{words.ARM_NAMES[arm]}, placebo: {gains}; the control {judged}."


_SAID = {"seeds": _seeds, "placebo": _placebo}


def tables(studies: Mapping[str, Any]) -> list[Table]:
    """The runs of each study."""
    made = []
    if "seeds" in studies:
        head = ["Fine-tune", "Seed", "n", "Before", "After", "Gain", "Interval", "Verdict"]
        rows = [
            [words.ARM_NAMES[arm], str(row["seed"]), *_cells(row)]
            for arm, block in studies["seeds"]["arms"].items()
            for row in block["rows"]
        ]
        made.append(Table("Training seeds, each compared with the same base", head, rows))
    if "placebo" in studies:
        head = ["Fine-tune", "Answers", "n", "Before", "After", "Gain", "Interval", "Verdict"]
        rows = [
            [words.ARM_NAMES[arm], name, *_cells(block[key])]
            for arm, block in studies["placebo"]["arms"].items()
            for key, name in (("real", "as they are"), ("placebo", "exchanged"))
        ]
        made.append(Table("The same training with the answers exchanged", head, rows))
    return made


def _cells(row: Mapping[str, Any]) -> list[str]:
    metric = row["endpoint"]
    return [
        words.count(row["n"]),
        words.value(metric, row["base"]),
        words.value(metric, row["arm"]),
        words.delta(metric, row["delta"]),
        words.interval(metric, row["low"], row["high"]),
        row["verdict"],
    ]

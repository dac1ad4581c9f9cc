"""Two versions compared on the outputs that were stored with them; no model is loaded."""

import tempfile
from pathlib import Path
from typing import Any

from titer import files
from titer.errors import ConfigError, FormatError
from titer.evaluation import versions
from titer.evaluation.arms import ArmInput
from titer.evaluation.versions import Outputs
from titer.records import Answer
from titer.registry import repository
from titer.registry.tags import Version

RESULTS = "results"


def compare(root: Path, first: Version, second: Version) -> dict[str, Any]:
    """The second version minus the first, see `titer.evaluation.versions.compare`.

    Raises:
        ConfigError: they are of different domains, which are asked different questions.
        DataError: neither cache nor remote has the results of a version.
        FormatError: a result is malformed.
    """
    if first.name.domain != second.name.domain:
        raise ConfigError(f"{first} and {second}: different domains have no question in common")
    with tempfile.TemporaryDirectory(prefix="titer-compare-") as folder:
        found = [
            _outputs(root, version, Path(folder) / str(number))
            for number, version in enumerate((first, second))
        ]
    with files.as_written(f"results of {first} and {second}", "Register them again"):
        return versions.compare(*found)


def _outputs(root: Path, version: Version, folder: Path) -> Outputs:
    repository.get(root, RESULTS, version.commit, folder)
    arm = version.name.arm
    return Outputs(
        arm=arm,
        inputs={name: _input(folder / name, name) for name in ("base", arm)},
        stats=files.read_json(folder / "stats.json"),
    )


def read_answers(path: Path) -> list[Answer]:
    """The answers of an evaluation.

    Raises:
        FormatError: another file.
    """
    try:
        return [Answer.from_json(row) for row in files.read_json(path)]
    except (TypeError, AttributeError) as error:
        raise FormatError(
            f"{path.parent.name}/answers.json: not a list of answers ({error})"
        ) from None


def _input(folder: Path, name: str) -> ArmInput:
    answers = read_answers(folder / "answers.json")
    return ArmInput(
        name=name,
        answers=answers,
        closed=list(files.read_jsonl(folder / "closed.jsonl")),
        run=files.read_json(folder / "run.json"),
    )

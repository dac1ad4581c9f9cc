"""What a version is bound to, as its annotated tag carries it.

Invariant: read from the results of the commit that is tagged, never typed in; no time is in it.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from titer import files
from titer.errors import BaseMismatch, DataError, FormatError
from titer.evaluation.statistics import wilson_interval
from titer.evaluation.verdict import EQUIVALENT, HELPED
from titer.registry import folders

SCHEMA_VERSION = 1
FIT_TO_ACTIVATE = (HELPED, EQUIVALENT)
"""Verdicts of versions that are activated without force."""

BASE_KEYS = ("id", "revision", "weights_sha256", "tokenizer_sha256", "chat_template_sha256")
"""Keys of results/model.json that tell one base model from another."""

TEXTS = (
    "description", "plan_sha256", "weights_sha256", "tree_sha256", "precision", "verdict",
    "sentence", "endpoint",
)  # fmt: skip
"""Fields of a record that always hold a text."""


@dataclass(frozen=True)
class Record:
    """One version: where it came from and what was found."""

    description: str
    base: dict[str, str | None]
    """Id, revision and hashes of weights, tokenizer and chat template."""
    licence: str | None
    """Of the base model, as its card states it."""
    data_sha256: str | None
    """Of the training examples; null of an adapter that was trained elsewhere."""
    plan_sha256: str
    """Of what was promised before training."""
    weights_sha256: str
    """Of the safetensors that were judged."""
    tree_sha256: str
    """Over all files of the model's folder: what a pulled copy is compared with."""
    precision: str
    verdict: str
    """helped, hurt, equivalent, inconclusive or invalid."""
    sentence: str
    """The verdict in words."""
    endpoint: str
    """The primary one of the plan, which `score` and `delta` are about."""
    metrics: dict[str, float | int]
    """Losses, perplexity, the primary endpoint with its interval."""
    schema_version: int = SCHEMA_VERSION

    @property
    def is_fit(self) -> bool:
        """Whether the verdict allows activation without force."""
        return self.verdict in FIT_TO_ACTIVATE

    @property
    def judgement(self) -> tuple[str, str, str, dict[str, float | int]]:
        """What another evaluation of the same weights may change."""
        return self.plan_sha256, self.verdict, self.endpoint, self.metrics

    def to_text(self) -> str:
        """The message of the tag: JSON, sorted."""
        return files.dump_json(asdict(self), indent=2)


def from_text(text: str, where: str) -> Record:
    """The record in a tag's message.

    Raises:
        DataError: another program wrote the tag, or a later Titer.
    """
    try:
        values = files.parse_json(text)
        version = values["schema_version"]
        if version != SCHEMA_VERSION:
            raise DataError(
                f"{where}: its record has schema version {version}, this Titer reads "
                f"{SCHEMA_VERSION}. Install the Titer that registered it"
            )
        found = Record(**values)
        _check_types(found)
        _ = [found.base[key] for key in BASE_KEYS]
        return found
    except (ValueError, TypeError, KeyError, OverflowError):
        raise DataError(
            f"{where}: its tag holds no record of `titer model register`. Delete the tag, or "
            "register the commit under another version"
        ) from None


def _check_types(found: Record) -> None:
    """Refuse values of another kind than the fields say: any program may write a tag."""
    if not isinstance(found.base, dict) or not isinstance(found.metrics, dict):
        raise TypeError("base and metrics are objects")
    may_lack = {"licence": found.licence, "data_sha256": found.data_sha256}
    may_lack |= {f"base {key}": value for key, value in found.base.items()}
    texts: dict[str, Any] = {key: getattr(found, key) for key in TEXTS}
    texts |= {key: value for key, value in may_lack.items() if value is not None}
    for key, value in texts.items():
        if not isinstance(value, str):
            raise TypeError(f"{key} is no text: {value!r}")
    for key, number in found.metrics.items():
        # bool is an int to Python; isfinite also refuses what no float holds
        if type(number) not in (int, float) or not math.isfinite(number):
            raise TypeError(f"{key} is no number: {number!r}")


def read(root: Path, arm: str, description: str) -> Record:
    """The record of the fine-tune that lies in a project's folder.

    Args:
        root: the project, its pipeline run.
        arm: qlora or full.
        description: a line for people.

    Raises:
        DataError: the fine-tune did not run, or was not judged; or no description.
        BaseMismatch: the weights that were judged are not those in the folder.
        FormatError: a result is missing or is not as the pipeline writes it.
    """
    with files.as_written(root / "results", "Run: dvc checkout results"):
        found = _read(root, arm, description)
        found.to_text()  # JSON has no NaN, and a tag holds JSON
        _check_types(found)
        return found


def _read(root: Path, arm: str, description: str) -> Record:
    run = files.read_json(root / "results" / arm / "run.json")
    training = files.read_json(root / "results" / f"train_{arm}" / "run.json")
    for what, record in (("the benchmark", run), ("the training", training)):
        if record.get("status") != "ok":
            reason = record.get("reason") or "no reason given"
            raise DataError(f"{arm}: {what} did not run ({reason}); there is nothing to register")
    stats = files.read_json(root / "results" / "stats.json")
    model = files.read_json(root / "results" / "model.json")
    block = stats["comparisons"][arm]
    if block["status"] != "ok":
        raise DataError(f"{arm}: it was not judged ({block['reason']}); no verdict to register")
    judged, hashes = run["models"][0], folders.file_hashes(root / "models" / arm)
    return Record(
        description=one_line("--description", description, needed=True),
        base={key: model[key] for key in BASE_KEYS},
        licence=model.get("license"),
        data_sha256=training["examples_sha256"],
        plan_sha256=stats["plan"]["sha256"],
        weights_sha256=_judged_weights(folders.weights_sha256(hashes), judged, arm),
        tree_sha256=folders.tree_sha256(hashes),
        precision=judged["precision"],
        verdict=block["verdict"],
        sentence=block["sentence"],
        endpoint=block["primary"]["endpoint"],
        metrics=files.rounded(_metrics(root, arm, block, level=1 - stats["plan"]["alpha"])),
    )


def one_line(option: str, text: str, *, needed: bool) -> str:
    """Words for a tag: white space joined.

    Raises:
        DataError: empty though needed, or a control character, which would steer a terminal.
    """
    line = " ".join(text.split())
    if needed and not line:
        raise DataError(f"{option} is empty; say in a line what or why, the tag keeps it")
    if not line.isprintable():
        raise DataError(f"{option} holds a control character. Remove it")
    return line


def _judged_weights(found: str | None, judged: dict[str, Any], arm: str) -> str:
    if found is None:
        raise FormatError(f"models/{arm}: no safetensors there. Run: dvc checkout")
    recorded = judged.get("adapter_sha256") or judged["weights_sha256"]
    if found != recorded:
        raise BaseMismatch(
            f"models/{arm}: its weights ({found[:12]}) are not those that were judged "
            f"({recorded[:12]}). Run: dvc repro"
        )
    return found


def _metrics(root: Path, arm: str, block: dict[str, Any], *, level: float) -> dict[str, Any]:
    name = f"train_{arm}"
    trained = files.read_json(root / "results" / name / "metrics.json")[name]
    losses = {key: trained.get(key) for key in ("train_loss", "validation_loss")}
    if losses["validation_loss"] is not None:
        losses["perplexity"] = math.exp(losses["validation_loss"])
    return {key: value for key, value in (losses | _benchmark(block, level)).items()
            if value is not None}  # fmt: skip


def _benchmark(block: dict[str, Any], level: float) -> dict[str, Any]:
    """The primary endpoint of the fine-tune itself, and its difference from the base."""
    primary = block["primary"]
    if not primary["n"]:
        return {"n": 0}
    named = {"n": primary["n"], "score": primary["arm"]}
    named |= {"delta": primary["delta"], "delta_low": primary["low"], "delta_high": primary["high"]}
    if "both" in primary:
        ends = wilson_interval(primary["both"] + primary["only_new"], primary["n"], level=level)
        named |= {"score_low": ends.low, "score_high": ends.high}
    return named

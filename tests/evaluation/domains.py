"""The benchmarks of all domains, for tests that hold each of them to the same rules."""

import csv
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

BENCHMARKS = Path(__file__).resolve().parents[2] / "data" / "benchmark"
NAMES = sorted(path.parent.name for path in BENCHMARKS.glob("*/facts.csv"))


@dataclass(frozen=True)
class Domain:
    """One domain's benchmark as it stands on disk; {subject} is spelled {disease}."""

    folder: Path
    columns: list[str]
    facts: list[dict[str, str]]
    templates: dict[str, dict[str, Any]]

    def of(self, relation: str) -> list[dict[str, str]]:
        """Facts of one relation."""
        return [fact for fact in self.facts if fact["relation"] == relation]

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Questions of open.jsonl or safety.jsonl."""
        text = (self.folder / f"{name}.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]


@cache
def read(name: str) -> Domain:
    """The benchmark of a domain, read once."""
    folder = BENCHMARKS / name
    lines = (folder / "facts.csv").read_text(encoding="utf-8").splitlines()
    header, *rows = [line for line in lines if not line.startswith("#")]
    reader = csv.DictReader([header.replace("subject", "disease"), *rows])
    facts = list(reader)
    wordings = (folder / "templates.yaml").read_text(encoding="utf-8")
    templates = yaml.safe_load(wordings.replace("{subject}", "{disease}"))
    return Domain(folder, list(reader.fieldnames or []), facts, templates)

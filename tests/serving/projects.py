"""A project folder after a run: models and the records of their evaluation."""

import shutil
from pathlib import Path
from typing import Any

from tests.serving.engines import asking
from titer import files
from titer.registry import folders
from titer.serving import finding

GENERATION = {"temperature": 0.0, "top_p": 1.0, "samples": 1, "max_new_tokens": 24, "seed": 42}
REVISION = "0123456789abcdef0123456789abcdef01234567"


def write(root: Path, models: asking.Models) -> Path:
    """Base, adapter and full fine-tune with results, as `dvc repro` leaves them."""
    for name, folder in (("base", models.base), ("qlora", models.first), ("full", models.full)):
        shutil.copytree(folder, root / "models" / name)
    results = root / "results"
    base, full = (finding.read_folder(root / "models" / name) for name in ("base", "full"))
    adapter = folders.weights_sha256(folders.file_hashes(root / "models" / "qlora"))
    in_full = judged(base, "float32")
    files.write_json(results / "model.json", {"id": "made/up", "revision": REVISION})
    files.write_json(results / "base" / "run.json", record([in_full, judged(base, "nf4")]))
    files.write_json(results / "qlora" / "run.json", record([judged(base, "nf4", adapter)]))
    files.write_json(results / "full" / "run.json", record([judged(full, "float32")]))
    for arm in ("qlora", "full"):
        training = {"status": "ok", "settings": {"precision": "float32"}}
        files.write_json(results / f"train_{arm}" / "run.json", training)
    verdicts = {"qlora": {"verdict": "helped"}, "full": {"verdict": "inconclusive"}}
    files.write_json(results / "stats.json", {"comparisons": verdicts})
    return root


def judged(folder: finding.Folder, precision: str, adapter: str | None = None) -> dict[str, Any]:
    """One model in a record."""
    return {
        "adapter_sha256": adapter,
        "chat_template_sha256": folder.template_sha256,
        "precision": precision,
        "tokenizer_sha256": folder.tokenizer_sha256,
        "weights_sha256": folder.weights_sha256,
    }


def record(models: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """The record of an evaluation."""
    shared = {"status": "ok", "reason": None, "think": "none", "generation": GENERATION}
    return shared | {"models": models} | more

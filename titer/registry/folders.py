"""The hashes of a model's folder.

Invariant: names and bytes alone decide; large folders show how far the reading is.
"""

from collections.abc import Mapping
from pathlib import Path

from titer import files


def file_hashes(folder: Path) -> dict[str, str]:
    """Hex sha256 of every file below a folder by its relative name, sorted."""
    from tqdm.auto import tqdm

    found = sorted(path for path in folder.rglob("*") if path.is_file())
    bar = tqdm(found, "hashing the model", unit="file", delay=5)
    return {path.relative_to(folder).as_posix(): files.sha256_file(path) for path in bar}


def tree_sha256(hashes: Mapping[str, str]) -> str:
    """One hash of all files and their names."""
    return files.sha256_text(files.dump_json(hashes))


def weights_sha256(hashes: Mapping[str, str]) -> str | None:
    """One hash of the safetensors, as the benchmark's run.json records it; null without any."""
    weights = [
        value
        for name, value in sorted(hashes.items())
        if "/" not in name and name.endswith(".safetensors")
    ]
    return files.sha256_text("".join(weights)) if weights else None

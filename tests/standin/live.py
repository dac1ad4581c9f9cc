"""A live collection in a process of its own, which tests and benchmarks may kill.

    python -m tests.standin.live JOB        JOB: a pickled `Job`; the secrets are in the environment

Writes what a stage would write of it: papers.jsonl.gz, skipped.jsonl and ids.json.
"""

import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from titer import files
from titer.config import DomainSettings, PapersSettings
from titer.errors import TiterError
from titer.literature.collect import collect
from titer.literature.credentials import Credentials

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Job:
    """What to collect, and where the answers and the papers go."""

    settings: PapersSettings
    domain: DomainSettings
    cache: Path
    out: Path


def start(job: Job, **env: str) -> subprocess.Popen[str]:
    """Begin to collect; stdout and stderr are one stream, which holds the whole log."""
    job.out.parent.mkdir(parents=True, exist_ok=True)
    path = job.out.with_suffix(".job")
    path.write_bytes(pickle.dumps(job))
    address = {"NCBI_EMAIL": "someone@example.org"}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.standin.live", str(path)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **address, **env},
    )  # fmt: skip


def finish(job: Job, **env: str) -> tuple[int, str]:
    """Collect to the end: exit code and log."""
    with start(job, **env) as process:
        log = process.communicate(timeout=600)[0]
    return process.returncode, log


def written(folder: Path) -> Mapping[str, bytes]:
    """The files of a collection by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def run(job: Job) -> None:
    """Collect and write."""
    collection = collect(
        job.settings,
        job.domain,
        sample=job.out,
        own=None,
        cache=job.cache,
        credentials=Credentials.from_environment(os.environ),
    )
    papers = [paper.to_json() for paper in collection.papers]
    files.write_jsonl(job.out / "papers.jsonl.gz", papers)
    files.write_jsonl(job.out / "skipped.jsonl", collection.skipped)
    files.write_json(job.out / "ids.json", collection.ids)


def main() -> None:
    """As a stage does: errors of ours are one line."""
    logging.basicConfig(level=logging.DEBUG)
    try:
        # the file is written by `start`
        run(pickle.loads(Path(sys.argv[1]).read_bytes()))
    except TiterError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()

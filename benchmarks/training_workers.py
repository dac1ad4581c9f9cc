"""Tools that train in processes of their own, job after job, so that imports are paid once."""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.training_tools import ANSWER, Job, llamafactory_arguments

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {
    **os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false",
}  # fmt: skip
PACKAGES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "llamafactory")


class Worker:
    """One tool in a process that stays."""

    def __init__(self, tool: str, python: str) -> None:
        """Start it; what its libraries print is kept for the case that it fails."""
        self.said = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed by end()
        self.process = subprocess.Popen(
            [python, "-m", "benchmarks.training_tools", tool], cwd=ROOT, env=ENVIRONMENT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said,
        )  # fmt: skip

    def train(self, job: Job) -> dict[str, Any]:
        """Run one job and give its readings.

        Raises:
            RuntimeError: the tool ended; with the last it said.
        """
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(asdict(job)) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith(ANSWER):
                found: dict[str, Any] = json.loads(line.removeprefix(ANSWER))
                return found
        self.said.seek(0)
        raise RuntimeError(self.said.read()[-3000:])

    def end(self) -> None:
        """Let it go."""
        self.process.communicate()
        self.said.close()


@dataclass(frozen=True)
class Command:
    """What a whole command took, with all that it started."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    loop_cpu_s: float
    """CPU seconds of its training loop; 0 where the tool does not tell."""


def command(tool: str, python: str, job: Job) -> Command:
    """Run a tool from start to end: LLaMA-Factory's own command, Titer's path with its imports."""
    out = Path(job.out)
    out.mkdir(parents=True, exist_ok=True)
    given = out / "job.yaml"  # JSON is YAML; LLaMA-Factory 0.9.5 cannot open a file called .json
    if tool == "llamafactory":
        given.write_text(json.dumps(llamafactory_arguments(job)), encoding="utf-8")
        arguments = [str(Path(python).parent / "llamafactory-cli"), "train", str(given)]
    else:
        given.write_text(json.dumps(asdict(job)) + "\n", encoding="utf-8")
        arguments = [python, "-m", "benchmarks.training_tools", tool]
    began = time.monotonic()
    with given.open() as jobs, (out / "said.log").open("w") as said:
        process = subprocess.Popen(
            arguments, cwd=ROOT, env=ENVIRONMENT, stdin=jobs, stdout=said, stderr=said
        )
        _, status, used = os.wait4(process.pid, 0)
    wall_s = time.monotonic() - began
    said_text = (out / "said.log").read_text(encoding="utf-8")
    if status:
        raise RuntimeError(said_text[-3000:])
    _, told, answer = said_text.partition(ANSWER)
    loop_cpu_s = json.loads(answer.splitlines()[0])["loop_cpu_s"] if told else 0.0
    cpu_s = used.ru_utime + used.ru_stime
    return Command(wall_s, cpu_s, used.ru_maxrss / 1024, loop_cpu_s)


def versions(python: str) -> dict[str, str]:
    """Versions of what an environment trains with; absent packages are left out."""
    asked = (
        "import importlib.metadata as m, json; names = " + repr(PACKAGES) + "; "
        "found = {d.metadata['Name'].lower(): d.version for d in m.distributions()}; "
        "print(json.dumps({n: found[n] for n in names if n in found}))"
    )
    done = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


HERE = sys.executable
"""The interpreter that Titer and TRL run in."""

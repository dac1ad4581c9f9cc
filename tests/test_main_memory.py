"""What a container or a shell leaves of the memory counts, not what the machine has."""

import subprocess
import sys
from pathlib import Path

import pytest

from titer import main_memory, runner
from titer.errors import OutOfMemory

MIB = 1 << 20
ASK = "from titer import main_memory; print(main_memory.available_bytes())"


def groups(root: Path, cgroup: str, files: dict[str, str]) -> tuple[Path, Path]:
    """Folders as the kernel writes them."""
    proc, tree = root / "proc", root / "cgroup"
    proc.mkdir()
    (proc / "cgroup").write_text(cgroup)
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    return proc, tree


def test_a_container_of_version_two_leaves_its_limit_less_its_use(tmp_path: Path) -> None:
    files = {
        "memory.max": f"{300 * MIB}\n", "memory.current": f"{120 * MIB}\n",
        "memory.stat": f"anon 1\ninactive_file {20 * MIB}\n",
    }  # fmt: skip
    assert main_memory.available_bytes(*groups(tmp_path, "0::/\n", files)) == 200 * MIB


def test_the_tightest_of_nested_groups_counts(tmp_path: Path) -> None:
    none = {"memory.max": "max\n", "memory.current": "1\n", "memory.stat": ""}
    files = {f"a/b/{name}": text for name, text in none.items()}
    files |= {"a/memory.max": f"{90 * MIB}", "a/memory.current": f"{80 * MIB}",
              "a/memory.stat": "inactive_file 0\n"}  # fmt: skip
    assert main_memory.available_bytes(*groups(tmp_path, "0::/a/b\n", files)) == 10 * MIB


def test_a_group_of_version_one_counts_the_files_of_the_groups_below(tmp_path: Path) -> None:
    files = {
        "memory/job/memory.limit_in_bytes": f"{50 * MIB}\n",
        "memory/job/memory.usage_in_bytes": f"{45 * MIB}\n",
        "memory/job/memory.stat": f"inactive_file 1\ntotal_inactive_file {5 * MIB}\n",
        "memory/memory.limit_in_bytes": "9223372036854771712\n",
        "memory/memory.usage_in_bytes": "1\n", "memory/memory.stat": "",
    }  # fmt: skip
    proc, tree = groups(tmp_path, "5:cpu:/job\n4:memory:/job\n0::/\n", files)
    assert main_memory.available_bytes(proc, tree) == 10 * MIB


def test_more_in_use_than_allowed_leaves_nothing(tmp_path: Path) -> None:
    files = {"memory.max": "5", "memory.current": "9", "memory.stat": ""}
    assert main_memory.available_bytes(*groups(tmp_path, "0::/\n", files)) == 0.0


def test_without_groups_the_machine_counts(tmp_path: Path) -> None:
    import psutil  # type: ignore[import-untyped]

    there = main_memory.available_bytes(tmp_path, tmp_path)
    assert there == pytest.approx(psutil.virtual_memory().available, rel=0.2)


@pytest.mark.skipif(sys.platform != "linux", reason="ulimit -v is kept by Linux")
def test_a_limit_of_the_shell_counts() -> None:
    words = f"ulimit -v {400 * 1024} && exec {sys.executable} -c '{ASK}'"
    done = subprocess.run(["sh", "-c", words], capture_output=True, text=True, check=True)
    assert 0 < float(done.stdout) < 400 * MIB


def test_a_stage_is_not_begun_where_torch_would_crash() -> None:
    runner.check_memory(runner.LEAST_MEMORY_BYTES, runner.LEAST_ADDRESS_BYTES)
    with pytest.raises(OutOfMemory, match=r"GB of main memory are left .* 1125899.91 GB is the"):
        runner.check_memory(1 << 50, runner.LEAST_ADDRESS_BYTES)

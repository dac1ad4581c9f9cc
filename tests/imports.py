"""Which of our modules a module imports, read from its text: imports inside functions count."""

import ast
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

PLUMBING = frozenset(
    {
        "titer/__init__.py",
        "titer/addresses.py",
        "titer/config.py",
        "titer/errors.py",
        "titer/files.py",
        "titer/main_memory.py",
        "titer/plan.py",
        "titer/records.py",
        "titer/runner.py",
        "titer/signals.py",
        "stages/__init__.py",
    }
)
"""No code dependencies of a stage: a changed help text must not train a model again. After a change
here that does change results: `dvc repro -f`."""


WHOLE_FOLDERS = {
    "fetch_papers": ("titer/examples", "titer/literature"),
    "score": ("titer/evaluation", "titer/examples", "titer/report"),
}
"""Stage -> packages that it depends on as a whole, since it imports most of each. These two take
seconds to run again, and each line of dvc.yaml costs every `dvc repro`; what trains or benchmarks
names its modules one by one."""


def module_file(name: str) -> str | None:
    """File of one of our modules, relative to the root; null for everything else."""
    path = Path(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if (ROOT / candidate).is_file() and name.split(".")[0] in ("titer", "stages"):
            return candidate.as_posix()
    return None


@lru_cache
def imported_names(file: str) -> frozenset[str]:
    """Dotted names of everything that a file imports, ours and others'."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def imported_files(file: str) -> set[str]:
    """Our own files that a file imports directly."""
    found = {module_file(name) for name in imported_names(file)}
    return {name for name in found if name is not None}


def closure(file: str) -> set[str]:
    """Our own files that a file imports, directly or not."""
    seen: set[str] = set()
    todo = [file]
    while todo:
        for found in imported_files(todo.pop()) - seen:
            seen.add(found)
            todo.append(found)
    return seen


def code_dependencies(stage: str) -> set[str]:
    """What dvc.yaml must list as a stage's code: its closure without plumbing."""
    files = {f"stages/{stage}.py"} | closure(f"stages/{stage}.py")
    files = {name for name in files - PLUMBING if not is_docstring_only(name)}
    folders = WHOLE_FOLDERS.get(stage, ())
    return set(folders) | {name for name in files if not name.startswith(_below(folders))}


def _below(folders: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{folder}/" for folder in folders)


@lru_cache
def is_docstring_only(file: str) -> bool:
    """Whether a module holds nothing but its docstring."""
    body = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)

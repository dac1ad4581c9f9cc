"""The documentation runs: each command is parsed by what would run it, each path exists."""

import argparse
import ast
import fnmatch
import importlib.util
import itertools
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.imports import ROOT
from titer import runner
from titer.cli.main import parser as titer_parser
from titer.errors import ConfigError

PAGES = ("README.md", "CONTRIBUTING.md")
DOCS = (
    "SECURITY.md",
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
)
SHELL = re.compile(r"^ *```sh\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)\)")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
PLACEHOLDER = re.compile(r"<[a-z]+>")
PATH = re.compile(r"[\w.*-]*(?:/[\w.*-]+)*/?")
SUFFIXES = (".csv", ".html", ".json", ".jsonl", ".lock", ".md", ".py", ".toml", ".txt", ".yaml")
PROGRAMS = ("dvc", "git", "make", "pip", "pre-commit", "pytest", "python", "titer")
IN_OWN_FOLDERS = ("config.json", "dataset_info.json", "rows.alpaca.jsonl", "rows.jsonl")
"""Files that a reader brings."""


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def commands(name: str) -> list[str]:
    """The commands of a page's shell blocks, and those in backticks, without comments."""
    lines = [line for block in SHELL.findall(page(name)) for line in block.splitlines()]
    lines += [span for span in spans(name) if span.split()[0] in PROGRAMS and " " in span]
    bare = [shlex.join(shlex.split(PLACEHOLDER.sub("x", line), comments=True)) for line in lines]
    return [line for line in bare if line]


def spans(name: str) -> list[str]:
    """What stands in backticks outside the blocks."""
    return sorted(set(re.findall(r"`([^`\n]+)`", FENCE.sub("", page(name)))))


COMMANDS = sorted({(name, line) for name in PAGES + DOCS for line in commands(name)})


# ---- one function per program: raises or asserts when the command would not run ---------------


def check_make(words: list[str]) -> None:
    targets = re.findall(r"(?m)^([a-z]+):", page("Makefile"))
    unknown = [word for word in words if "=" not in word and word not in targets]
    assert not unknown, f"the Makefile has no target {unknown}; it has {targets}"


def check_titer(words: list[str]) -> None:
    arguments = parse(titer_parser(), words)
    model = getattr(arguments, "model", None)
    assert model is None or model in runner.groups()["model"], f"no conf/model/{model}.yaml"
    domain = getattr(arguments, "domain", None)
    assert domain is None or domain in runner.groups()["domain"], f"no conf/domain/{domain}.yaml"


def check_dvc(words: list[str]) -> None:
    from dvc.cli.parser import get_main_parser

    arguments = parse(get_main_parser(), words)
    if words[:2] == ["exp", "run"]:
        check_settings(arguments.set_param)
    for target in getattr(arguments, "targets", None) or []:
        known = runner.dvc_stages("dvc.yaml")
        assert target in known, f"{target} is no stage of dvc.yaml"


def check_python(words: list[str]) -> None:
    if words[0] == "-c":
        compile(words[1], "<documentation>", "exec")
        return
    assert words[0] == "-m" and words[1].startswith(("stages.", "benchmarks.", "tests.")), words
    place = ROOT / words[1].replace(".", "/")
    module = place / "__main__.py" if place.is_dir() else place.with_suffix(".py")
    assert module.is_file(), f"no {words[1]}"
    if not words[1].startswith("stages."):
        options = [word for word in words[2:] if word.startswith("--")]
        unread = [word for word in options if f'"{word}"' not in module.read_text()]
        assert not unread, f"{words[1]} has no {unread}"
        return
    check_settings([word for word in words[2:] if not word.startswith("--")])
    unknown = {word for word in words[2:] if word.startswith("--")} - {"--multirun", "--help"}
    assert not unknown, f"not an option that the page may use: {unknown}"


def check_settings(settings: list[str]) -> None:
    """Compose every value of every setting: a choice that exists, a key of Config, in its range."""
    for setting in settings:
        key, _, values = setting.partition("=")
        if key.startswith("hydra"):  # Hydra's own
            continue
        if key == "sweep":
            assert (ROOT / "conf/sweep" / f"{values}.yaml").is_file(), f"no conf/sweep/{values}"
            continue
        for value in [values] if values.startswith("[") else values.split(","):
            compose(key, value)


def compose(key: str, value: str) -> None:
    choices, params = runner.load_params()
    if key in choices:
        names = runner.groups()[key]
        assert value in names, f"no conf/{key}/{value}.yaml; there are {names}"
        choices[key] = value
    else:
        edited = OmegaConf.merge(params, OmegaConf.from_dotlist([f"{key}={value}"]))
        params = {str(k): v for k, v in OmegaConf.to_container(edited).items()}  # type: ignore[union-attr]
    runner.typed(runner.merge(choices, params))


def check_pip(words: list[str]) -> None:
    extras = tomllib.loads(page("pyproject.toml"))["project"]["optional-dependencies"]
    wanted = re.findall(r"\[(\w+)\]", words[-1])
    assert wanted and set(wanted) <= set(extras), f"no such extra of this project: {words[-1]}"
    pins = [file for option, file in itertools.pairwise(words) if option == "-c"]
    assert all((ROOT / file).is_file() for file in pins), f"no {pins}"


def check_pytest(words: list[str]) -> None:
    ours = page("tests/conftest.py")
    for word in words:
        known = f'"{word}"' in ours if word.startswith("--") else (ROOT / word).exists()
        assert known, f"pytest knows no {word}"


def check_export(words: list[str]) -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "titer").rglob("*.py"))
    for name in (word.partition("=")[0] for word in words):
        assert name in code, f"nothing reads {name}"


def check_source(words: list[str]) -> None:
    folder = re.search(r"(?m)^VENV := (\S+)", page("Makefile"))
    assert folder and words == [f"{folder[1]}/bin/activate"], "the Makefile installs elsewhere"


def check_audit(words: list[str]) -> None:
    """Tools of the extra `audit`, which an installation need not have."""
    extras = tomllib.loads(page("pyproject.toml"))["project"]["optional-dependencies"]
    assert {re.split("[<>=]", one)[0] for one in extras["audit"]} == {"cyclonedx-bom", "pip-audit"}
    known = ("environment", "--pyproject", "--output-reproducible", "-o", "--strict")
    unknown = [word for word in words if word not in known and not is_known(word)]
    assert not unknown, unknown


def check_coverage(words: list[str]) -> None:
    """Its parser is no public one: asked for help on the action, it fails where there is none."""
    action, *rest = words
    assert rest in ([], ["-m", "pytest"]), rest
    words = [sys.executable, "-m", "coverage", action, "--help"]
    assert subprocess.run(words, capture_output=True).returncode == 0, f"coverage knows no {action}"


def check_git(words: list[str]) -> None:
    if words[0] == "clone":
        assert len(words) in (2, 3), "git clone <address> [folder]"
        return
    if words[0] in ("add", "commit", "push", "fetch"):
        said = subprocess.run(["git", words[0], "-h"], capture_output=True, text=True)
        usage = said.stdout + said.stderr
        options = [word for word in words[1:] if word.startswith("-")]
        unknown = [
            word for word in options if word not in re.split(r"[\s,]+", usage.replace("[no-]", ""))
        ]
        assert not unknown, f"git {words[0]} knows no {unknown}"
        return
    assert words[:2] == ["checkout", "--"], f"git {words}"
    unknown = [path for path in words[2:] if not is_known(path)]
    assert not unknown, f"{unknown}: neither files here nor made by the pipeline"


def check_cd(words: list[str]) -> None:
    """Only into the folder that `git clone` has made."""
    assert words == ["titer"], words


def check_pre_commit(words: list[str]) -> None:
    assert words == ["install"] and (ROOT / ".pre-commit-config.yaml").is_file(), words


def check_salloc(words: list[str]) -> None:
    started = itertools.dropwhile(lambda word: word.startswith("--"), words)
    program, *rest = started
    CHECKS[program](rest)


CHECKS = {
    "make": check_make, "titer": check_titer, "dvc": check_dvc, "python": check_python,
    "pip": check_pip, "pytest": check_pytest, "export": check_export, "source": check_source,
    "git": check_git, "cd": check_cd, "pre-commit": check_pre_commit, "salloc": check_salloc,
    "coverage": check_coverage, "cyclonedx-py": check_audit, "pip-audit": check_audit,
}  # fmt: skip


def parse(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    try:
        return parser.parse_args(words)
    except Exception as error:  # DVC's parser raises its own
        raise AssertionError(f"{parser.prog} refuses {words}: {error}") from error
    except SystemExit as error:
        if error.code:
            raise AssertionError(f"{parser.prog} refuses {words}") from error
        return argparse.Namespace()  # --help


@pytest.mark.parametrize(("name", "line"), COMMANDS, ids=lambda text: text)
def test_a_command_would_run(name: str, line: str) -> None:
    program, *words = shlex.split(line)
    assert program in CHECKS, f"{name}: no check for `{program}`; add one to tests/test_docs.py"
    CHECKS[program](words)


@pytest.mark.parametrize(
    "line",
    [
        "make reprö", "titer chek", "titer pin qwen4_8b", "dvc exp rum", "dvc repro train_lora",
        "dvc exp run -S model=qwen4_8b", "dvc exp run -S qlora.rank=4", "dvc exp run -S seed=x",
        "dvc exp run -S model.dtipe=float32", "git checkout -- reslts", "titer benchmark lok",
        "git push --tag-all", "titer model registr autoimmune-qlora",
        "python -m stages.train_lora", "python -m stages.train_qlora qlora.epochs=1,0",
        "python -m stages.train_qlora --multirun sweep=lr", "python -m benchmarks.repro --speed",
        "pip install -e .[cuda]",
        "pytest tests/exampels", "export NCBI_MAIL=x", "source venv/bin/activate",
    ],
)  # fmt: skip
def test_a_wrong_command_is_noticed(line: str) -> None:
    program, *words = shlex.split(line)
    with pytest.raises((AssertionError, ConfigError)):
        CHECKS[program](words)


# ---- paths ------------------------------------------------------------------------------------


def made() -> list[str]:
    """What the pipeline makes, and the folders that Git ignores."""
    stages = runner.dvc_stages("dvc.yaml").values()
    outs = itertools.chain.from_iterable(map(runner.out_paths, stages))
    return [*outs, *re.findall(r"(?m)^/([\w.]+)/$", page(".gitignore"))]


def is_known(path: str) -> bool:
    """Whether a path or pattern exists, or is, holds or lies in something that is made."""
    path = PLACEHOLDER.sub("*", path).rstrip("/")
    if any(ROOT.glob(path)):
        return True
    return any(
        fnmatch.fnmatch(out, path) or out.startswith(f"{path}/") or path.startswith(f"{out}/")
        for out in made()
    )


def paths(name: str) -> list[str]:
    """The files and folders that a page names in backticks outside its blocks."""
    found = [span for span in spans(name) if "/" in span or span.endswith(SUFFIXES)]
    return [span for span in found if PATH.fullmatch(PLACEHOLDER.sub("x", span))]


@pytest.mark.parametrize("name", PAGES + DOCS)
def test_every_path_in_backticks_exists_or_is_made(name: str) -> None:
    found = paths(name)
    assert len(found) > (10 if name in PAGES else 0)
    wrong = [path for path in found if path not in IN_OWN_FOLDERS and not is_known(path)]
    assert not wrong, f"{name} names {wrong}"


@pytest.mark.parametrize("name", PAGES + DOCS)
def test_every_link_leads_to_a_file(name: str) -> None:
    links = [link for link in LINK.findall(FENCE.sub("", page(name))) if "://" not in link]
    wrong = [link for link in links if not (ROOT / name).parent.joinpath(link).is_file()]
    assert not wrong, f"{name} links to {wrong}"


def test_the_index_lists_every_page() -> None:
    listed = set(LINK.findall(page("docs/index.md")))
    assert listed == {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}


def test_every_test_that_a_promise_names_is_there() -> None:
    named = TEST.findall(page("SECURITY.md"))
    assert len(named) > 10
    wrong = [f"{file}::{test}" for file, test in named if f"def {test}(" not in page(file)]
    assert not wrong, wrong


def texts_of(folder: Path) -> str:
    """Every text that stands in the code of a folder, joined as Python joins it."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in folder.rglob("*.py")]
    nodes = itertools.chain.from_iterable(map(ast.walk, trees))
    return "\n".join(
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def test_every_error_line_of_troubleshooting_is_one_that_is_written() -> None:
    ours, theirs = page("docs/troubleshooting.md").split("These come from DVC:")
    for part, package, also in ((ours, "titer", "omegaconf"), (theirs, "dvc", "voluptuous")):
        lines = re.findall(r"(?m)^\| (`.*?) \|", part)
        assert lines
        folders = (importlib.util.find_spec(name) for name in (package, also))
        found = "\n".join(
            texts_of(Path(spec.origin).parent) for spec in folders if spec and spec.origin
        )
        for line in itertools.chain.from_iterable(re.findall("`([^`]+)`", one) for one in lines):
            fixed = re.split(r"'[^']*'|\(did you mean \w+\?\)", line)
            lost = [text for text in fixed if len(text.strip()) > 4 and text.strip() not in found]
            assert not lost, f"{package} writes no {lost}"


def test_a_path_that_is_not_there_is_noticed() -> None:
    assert not is_known("titer/literatur/")
    assert not is_known("results/metrics.jsn")
    assert is_known("runs/")
    assert is_known("data/own/<domain>/questions")
    assert is_known("data/papers/stats.json")


def test_the_model_table_names_every_model() -> None:
    table = page("README.md").partition("| `model:` |")[2].partition("\n\n")[0]
    patterns = re.findall(r"(?m)^\| `([\w*]+)` \|", table)
    models = runner.groups()["model"]
    unnamed = [m for m in models if not any(fnmatch.fnmatch(m, p) for p in patterns)]
    assert not unnamed, f"README's table of models lacks {unnamed}"
    idle = [p for p in patterns if not fnmatch.filter(models, p)]
    assert not idle, f"README's table of models names {idle}, and conf/model has no such file"


def test_the_tour_names_every_folder_and_module() -> None:
    tour = page("CONTRIBUTING.md").partition("## A tour")[2].partition("\n## ")[0]
    folders = [p for p in (ROOT / "titer").iterdir() if (p / "__init__.py").is_file()]
    for folder in folders:
        head = f"`titer/{folder.name}/`"
        assert head in tour, f"the tour lacks {head}"
        block = tour.partition(head)[2].split("\n| `titer/")[0]
        modules = {p.stem for p in folder.glob("*.py")} - {"__init__"}
        missing = [m for m in sorted(modules) if f"`{m}`" not in block and folder.name != "cli"]
        assert not missing, f"the tour of titer/{folder.name} lacks {missing}"


def test_the_result_stands_between_its_markers() -> None:
    before, _, rest = page("README.md").partition("<!-- result -->")
    table, end, _ = rest.partition("<!-- /result -->")
    assert end and len(before.splitlines()) < 8, "the result comes first"
    head = "| | base | fine-tune | difference (95 % interval) | n | verdict |"
    assert head in table


def test_the_citations_name_every_dependency() -> None:
    text = page("CITATIONS.md").lower()
    project = tomllib.loads(page("pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["sweep"], *extras["gpu"]]
    spelled = {"torch": "pytorch", "jinja2": "jinja", "hydra-core": "hydra", "arxiv": "arxiv.py",
               "huggingface-hub": "huggingface_hub"}  # fmt: skip
    for requirement in wanted:
        name = re.split(r"[<>=]", requirement)[0]
        name = "hydra's" if re.match(r"hydra-.*-(launcher|sweeper)", name) else name
        assert spelled.get(name, name) in text, f"CITATIONS.md lacks {name}"

"""The notebook that runs a commit again: valid, free of secrets, bound to a commit."""

import ast
import subprocess
from pathlib import Path

import nbformat
import pytest

from titer.errors import ConfigError, DataError
from titer.export import colab
from titer.export.colab import Origin

CHOICES = {"model": "pocket", "domain": "autoimmune", "papers": "sample", "hardware": "cpu"}
ORIGIN = Origin("https://example.org/titer.git", "a" * 40, is_pushed=True)


def git(folder: Path, *arguments: str) -> str:
    author = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    done = subprocess.run(
        ["git", *author, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "params.yaml").write_text("model: pocket\n")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")
    return folder


def test_the_notebook_is_valid_and_the_same_each_time(tmp_path: Path) -> None:
    for name in ("a.ipynb", "b.ipynb"):
        made = colab.notebook(ORIGIN, choices=CHOICES, settings=["seed=1"], needs_gpu=True)
        colab.write(tmp_path / name, made)
    assert (tmp_path / "a.ipynb").read_bytes() == (tmp_path / "b.ipynb").read_bytes()
    read = nbformat.read(tmp_path / "a.ipynb", as_version=4)
    nbformat.validate(read)
    code = [cell.source for cell in read.cells if cell.cell_type == "code"]
    assert len(code) == 8
    for text in code:
        ast.parse(text)
    assert read.metadata["accelerator"] == "GPU"
    assert "SETTINGS = ['seed=1']" in code[0] and f"COMMIT = {'a' * 40!r}" in code[0]


def test_a_run_on_a_cpu_asks_for_no_gpu() -> None:
    made = colab.notebook(ORIGIN, choices=CHOICES, settings=[], needs_gpu=False)
    assert "accelerator" not in made.metadata
    assert "NEEDS_GPU = False" in made.cells[1].source and "EXTRA = ''" in made.cells[1].source


@pytest.mark.parametrize(
    ("given", "public"),
    [
        ("https://me:canary@example.org/a/b.git", "https://example.org/a/b.git"),
        ("https://canary@example.org:8443/a/b.git", "https://example.org:8443/a/b.git"),
        ("https://example.org/a/b.git?token=canary", "https://example.org/a/b.git"),
        ("git@example.org:a/b.git", "https://example.org/a/b.git"),
        ("ssh://git@example.org:2222/a/b.git", "https://example.org/a/b.git"),
        ("/srv/git/b.git", "/srv/git/b.git"),
    ],
)
def test_no_credentials_of_an_address_get_into_the_notebook(given: str, public: str) -> None:
    assert colab.public_url(given) == public


def test_the_commit_and_its_remote_are_found(repository: Path, tmp_path: Path) -> None:
    git(repository, "remote", "add", "origin", "https://me:canary@example.org/a/b.git")
    found = colab.find_origin(repository)
    assert found == Origin(
        "https://example.org/a/b.git", git(repository, "rev-parse", "HEAD"), is_pushed=False
    )
    subprocess.run(["git", "clone", "-q", "--bare", repository, tmp_path / "b.git"], check=True)
    git(repository, "remote", "set-url", "origin", str(tmp_path / "b.git"))
    git(repository, "fetch", "-q")
    assert colab.find_origin(repository).is_pushed


def test_results_of_a_run_may_be_uncommitted_and_settings_may_not(repository: Path) -> None:
    (repository / "results").mkdir()
    (repository / "results" / "metrics.json").write_text("{}\n")
    assert colab.find_origin(repository, "https://example.org/b.git").commit
    (repository / "params.yaml").write_text("model: local\n")
    with pytest.raises(DataError, match=r"^1 uncommitted changes \(params\.yaml\): the notebook"):
        colab.find_origin(repository, "https://example.org/b.git")


def test_without_a_remote_one_must_be_named(repository: Path) -> None:
    with pytest.raises(ConfigError, match=r"^no Git remote called origin"):
        colab.find_origin(repository)


def test_a_folder_without_git_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^git rev-parse: fatal: .*not a git repository"):
        colab.find_origin(tmp_path)

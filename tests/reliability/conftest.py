"""A small project in which one real stage ran inside DVC, and copies of it to spoil."""

import shutil
from pathlib import Path

import pytest

from tests.pipeline.conftest import Clone, clone_of_the_working_tree, commit, make_tiny
from tests.reliability import kill_matrix

STAGE = "fetch_papers"


@pytest.fixture(scope="session")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which fetch_papers ran once, undisturbed, its dvc.lock committed."""
    clone = clone_of_the_working_tree(tmp_path_factory.mktemp("collected") / "finished")
    make_tiny(clone)
    assert clone.repro(STAGE) == [STAGE]
    commit(clone)
    return clone.path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which all eight stages ran once, undisturbed."""
    return kill_matrix.finished_run(tmp_path_factory.mktemp("finished") / "finished")


@pytest.fixture
def project(collected: Path, tmp_path: Path) -> Clone:
    """A copy of it."""
    return Clone(Path(shutil.copytree(collected, tmp_path / "project", symlinks=True)))

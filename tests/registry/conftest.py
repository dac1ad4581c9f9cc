"""A registry of two versions, built once and copied for each test that changes it."""

import shutil
from pathlib import Path

import pytest

from tests.registry import made_up_versions as made


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """v1.0.0 helped; v1.1.0, of new data, hurt; both pushed to a remote beside."""
    return made.two_versions(tmp_path_factory.getbasetemp())


@pytest.fixture
def registry(built: Path, tmp_path: Path) -> Path:
    """A copy that a test may change; it shares the remote."""
    return Path(shutil.copytree(built, tmp_path / "project", symlinks=True))


@pytest.fixture
def clone(built: Path, tmp_path: Path) -> Path:
    """What a colleague has after `git clone`: tags, and no file of any model."""
    made.run(tmp_path, "git", "clone", "--quiet", str(built), "clone")
    root = tmp_path / "clone"
    made.identify(root)
    return root

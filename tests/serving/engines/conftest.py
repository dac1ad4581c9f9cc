"""The models of the engines' tests, built once per run."""

import pytest

from tests.serving.engines import asking


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> asking.Models:
    """A base, two adapters on it, and another model."""
    return asking.build(tmp_path_factory.mktemp("served"))

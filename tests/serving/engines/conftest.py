"""The models of the engines' tests, built once per run."""

import pytest

from tests.serving.engines import asking
from titer.export import gguf_model
from titer.serving.engine import BASE
from titer.serving.engines.llama_cpp import Gguf


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> asking.Models:
    """A base, two adapters on it, and another model."""
    return asking.build(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="session")
def ggufs(models: asking.Models, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Gguf]:
    """The same four as GGUF files in float32."""
    home = tmp_path_factory.mktemp("gguf")
    base = gguf_model.write_model(models.base, home / "base.gguf", number_format="f32")
    full = gguf_model.write_model(models.full, home / "full.gguf", number_format="f32")
    first = gguf_model.write_adapter(models.first, models.base, home / "first.gguf")
    second = gguf_model.write_adapter(models.second, models.base, home / "second.gguf")
    return {
        BASE: Gguf(base),
        asking.FIRST: Gguf(base, first),
        asking.SECOND: Gguf(base, second),
        asking.FULL: Gguf(full),
    }

"""One engine for all tests of the gateway: its models are loaded once per run."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import gateways
from tests.serving.engines import asking
from titer.serving.catalogue import Catalogue
from titer.serving.engines.in_process import InProcess


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> asking.Models:
    """A base, two adapters on it, and another model."""
    return asking.build(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="session")
def served(models: asking.Models) -> Catalogue:
    """Three domains."""
    return gateways.catalogue(models)


@pytest.fixture(scope="session")
def engine(served: Catalogue) -> Iterator[InProcess]:
    """The engine `transformers` with all of them."""
    made = InProcess([offer.servable for offer in served.offers.values()])
    yield made
    asyncio.run(made.close())


@pytest.fixture
def gateway(tmp_path: Path, served: Catalogue, engine: InProcess) -> gateways.Opened:
    """With the default limits, but a rate that no test meets by chance."""
    return gateways.opened(tmp_path, served, [engine], key_per_minute=100_000)

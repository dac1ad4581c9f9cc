"""What the whole test run shares: options, a tiny model, no network but loopback."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from titer.config import PretrainingSettings

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

ROOT = Path(__file__).resolve().parents[1]
TINY = PretrainingSettings(
    seed=1, steps=2, batch_tokens=256, learning_rate=1e-3, vocab_size=1024, hidden_size=64,
    intermediate_size=128, n_layers=2, n_heads=2, n_kv_heads=1,
)  # fmt: skip


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that leaves this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        inside = self.family == socket.AF_UNIX or str(address[0]) in ("127.0.0.1", "::1")
        if not inside:
            raise OSError(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let golden files be rewritten; their differences are then reviewed like code."""
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden")


COSTLY = ("default", "tiny", "collected", "finished")
"""Fixtures that run stages, the longest first: each is made by one worker only, and begun early."""


@pytest.hookimpl(tryfirst=True)  # xdist reads the marks in the same hook
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Under pytest-xdist a costly fixture, and else a file, belongs to one worker."""
    if not hasattr(config, "workerinput"):
        return
    for item in items:
        item.add_marker(pytest.mark.xdist_group(costly_of(item) or item.nodeid.split("::")[0]))
    items.sort(key=lambda item: order(costly_of(item)))


def order(costly: str | None) -> int:
    """Sorting is stable: what is not costly stays in the order of the files."""
    return COSTLY.index(costly) if costly else len(COSTLY)


def costly_of(item: pytest.Item) -> str | None:
    """The first of the costly fixtures that a test asks for."""
    return next((name for name in COSTLY if name in getattr(item, "fixturenames", ())), None)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a Qwen3 of 0.2 M random parameters with pocket's tokenizer, built once per run."""
    from titer.modeling import pocket

    out = tmp_path_factory.mktemp("tiny") / "model"
    material = pocket.read_material(ROOT / "data" / "pretraining")
    tokenizer = pocket.train_tokenizer(material, TINY.vocab_size)
    pocket.new_model(tokenizer, TINY).save_pretrained(out)
    tokenizer.save_pretrained(out)
    return out

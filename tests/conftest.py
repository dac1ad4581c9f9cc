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


TOGETHER = ("tests/pipeline/test_default_run.py", "tests/pipeline/", "tests/reliability/")
"""Files whose fixtures run stages: one worker of pytest-xdist takes each group, and early."""


def group(nodeid: str) -> str:
    """What one worker does whole: such a group, and else a file."""
    return next((one for one in TOGETHER if nodeid.startswith(one)), nodeid.partition("::")[0])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The costly groups first; else in the order of the files, since sorting is stable."""
    places = {one: place for place, one in enumerate(TOGETHER)}
    items.sort(key=lambda item: places.get(group(item.nodeid), len(TOGETHER)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Work by group. Not by `--dist loadgroup`: with pytest 9 it groups nothing (xdist 3.8)."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

    return ByGroup(config, log)


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

"""Freed tensors go back to the system; as glibc does it by itself they stay in its heap."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT
from titer.config import Device
from titer.training import allocator, room

HOLES = """
import sys
import torch
from tests.training.measured_memory import status
from titer.training import allocator

if sys.argv[1] == "told":
    assert allocator.give_back_freed_memory()
block = torch.ones(4 << 20)  # 16 MiB; freed, it raises the size that glibc maps
del block
blocks = [torch.ones(1 << 18) for _ in range(200)]  # of 1 MiB
full = status("VmRSS")
del blocks[::2]
print((full - status("VmRSS")) / 2**20)
"""
pytestmark = pytest.mark.skipif(not allocator.can_give_back(), reason="not glibc's allocator")


def given_back_mib(told: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", HOLES, told], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def test_every_second_tensor_freed_gives_half_of_them_back() -> None:
    assert given_back_mib("told") == pytest.approx(100, abs=5)


def test_untold_they_stay() -> None:
    assert given_back_mib("untold") < 20


def test_the_margin_on_a_cpu_is_that_of_the_forecast_only_where_it_can_be_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert room.margin(Device.cpu) == room.margin(Device.cuda) == 1.15
    monkeypatch.setattr(allocator, "can_give_back", lambda: False)
    assert room.margin(Device.cpu) == 2.0
    assert room.margin(Device.cuda) == 1.15

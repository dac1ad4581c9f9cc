"""What a folder says of itself is read from headers, without loading a weight."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from titer.modeling import weights


def test_parameters_are_counted_over_all_shards(tmp_path: Path) -> None:
    save_file({"a": np.zeros((2, 3), np.float32)}, tmp_path / "model-1.safetensors")
    save_file(
        {"b": np.zeros((4,), np.float16), "c": np.zeros((), np.int8)},
        tmp_path / "model-2.safetensors",
    )
    assert weights.count_parameters(tmp_path) == 6 + 4 + 1


def test_a_folder_without_weights_has_none(tmp_path: Path) -> None:
    assert weights.count_parameters(tmp_path) == 0


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ('{"max_position_embeddings": 4096}', 4096),
        ('{"n_positions": 1024}', 1024),
        ("{}", None),
    ],
)
def test_the_context_length_is_the_configurations(
    tmp_path: Path, config: str, expected: int | None
) -> None:
    (tmp_path / "config.json").write_text(config)
    assert weights.context_length(tmp_path) == expected


def test_counting_imports_no_torch(tiny_model: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from titer.modeling import weights; "
        f"print(weights.count_parameters(Path({str(tiny_model)!r})), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    count, loaded = done.stdout.split()
    assert int(count) > 0
    assert loaded == "False"

"""Downloads through the real client from a stand-in hub: what arrives, and what is said if not."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.standin.hub import COMMIT, Hub, Repository

ROOT = Path(__file__).resolve().parents[2]
WANTED = {
    "config.json": b'{"model_type": "qwen3"}',
    "tokenizer.json": b"{}",
    "vocab.txt": b"a",
    "tokenizer.model": b"\x00",
    "chat_template.jinja": b"{{ messages }}",
    "model-00001-of-00002.safetensors": b"1" * 2000,
    "model-00002-of-00002.safetensors": b"2" * 3000,
    "README.md": b"---\nlicense: mit\n---\n",
    "LICENSE": b"MIT",
}
REFUSED = {
    "modeling_evil.py": b"raise SystemExit",
    "pytorch_model.bin": b"\x80\x04",
    "original/consolidated.00.pth": b"\x80\x04",
    "LICENSES/evil.py": b"raise SystemExit",
    "model.gguf": b"GGUF",
    ".gitattributes": b"",
}
REPOSITORIES = {
    "ours/good": Repository(WANTED | REFUSED),
    "ours/pickled": Repository({"config.json": b"{}", "pytorch_model.bin": b"\x80\x04"}),
    "ours/gated": Repository(WANTED, gated=True),
    "ours/down": Repository({}, status=500),
    "ours/forbidden": Repository({}, status=403),
}
CASES = {
    "good": ("ours/good", None),
    "pinned": ("ours/good", COMMIT),
    "other revision": ("ours/good", "f" * 40),
    "pickled": ("ours/pickled", None),
    "gated": ("ours/gated", None),
    "down": ("ours/down", None),
    "forbidden": ("ours/forbidden", None),
    "unknown": ("deepseek-ai/DeepSeek-R1-Distill-Qwen-8B", None),
}
SCRIPT = """
import json, sys
from pathlib import Path
from titer.errors import TiterError
from titer.modeling.download import download
found = {}
for name, (repo_id, revision) in json.loads(sys.argv[2]).items():
    try:
        found[name] = download(repo_id, revision, Path(sys.argv[1]) / name)
    except TiterError as error:
        found[name] = f"{type(error).__name__}: {error}"
print(json.dumps(found))
"""


def run_against(url: str, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    env = kept | {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-c", SCRIPT, *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Every case through one process: folder, answers by case, and what the hub was asked."""
    folder = tmp_path_factory.mktemp("hub")
    with Hub(REPOSITORIES) as hub:
        done = run_against(hub.url, folder / "home", str(folder), json.dumps(CASES))
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout), hub


def relative_files(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_only_weights_configuration_tokenizer_and_licence_arrive(outcome: Any) -> None:
    folder, _, _ = outcome
    assert relative_files(folder / "good") == WANTED


def test_nothing_else_is_even_asked_for(outcome: Any) -> None:
    _, _, hub = outcome
    assert not set(hub.fetched()) & set(REFUSED)


@pytest.mark.parametrize("case", ["good", "pinned"])
def test_a_download_is_named_by_its_commit(outcome: Any, case: str) -> None:
    _, found, _ = outcome
    assert found[case] == COMMIT


def test_two_downloads_leave_the_same_bytes(outcome: Any) -> None:
    folder, _, _ = outcome
    assert relative_files(folder / "good") == relative_files(folder / "pinned")


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("other revision", "ModelError: ours/good: no such revision. `titer pin <model>` writes a "
         "valid one"),
        ("pickled", "LoadError: ours/pickled: has no safetensors weights; pickled ones are never "
         "loaded"),
        ("gated", "ModelError: ours/gated: gated. Accept its terms on its page while signed in, "
         "and set HF_TOKEN in the environment"),
        ("down", "ModelError: ours/down: the hub failed: HfHubHTTPError: Server error '500 "),
        ("forbidden", "ModelError: ours/forbidden: the hub failed: HfHubHTTPError: 403 Forbidden"),
        ("unknown", "ModelError: deepseek-ai/DeepSeek-R1-Distill-Qwen-8B: no such model on the hub "
         "(did you mean deepseek-ai/DeepSeek-R1-0528-Qwen3-8B?)"),
    ],
)  # fmt: skip
def test_a_refusal_is_one_line_with_what_to_do(outcome: Any, case: str, message: str) -> None:
    _, found, _ = outcome
    assert found[case].startswith(message)
    assert "\n" not in found[case]


def test_a_pickled_model_is_refused_before_a_byte_is_fetched(outcome: Any) -> None:
    folder, _, hub = outcome
    assert not [path for _, path in hub.journal if path.startswith("/ours/pickled")]
    assert not (folder / "pickled").exists()


def test_a_hub_that_nobody_answers_for_is_called_unreachable(tmp_path: Path) -> None:
    with Hub({}) as hub:
        gone = hub.url
    case = json.dumps({"case": ["Qwen/Qwen3-8B", None]})
    done = run_against(gone, tmp_path / "home", str(tmp_path), case)
    assert json.loads(done.stdout)["case"] == (
        "ModelError: Qwen/Qwen3-8B: the hub cannot be reached (ConnectError). Check the network, "
        "or use model.source: path"
    )

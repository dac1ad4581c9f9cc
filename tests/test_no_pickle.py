"""No pickle is ever loaded: a canary lies in every place that takes something from elsewhere."""

import ast
import io
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.training.test_sft import QLORA, Killed, kill_after, train
from titer.config import Device, Dtype, Think
from titer.errors import TiterError
from titer.examples.documents import reader
from titer.examples.formats.reading import Reading
from titer.export import gguf_model
from titer.literature import files as own_papers
from titer.literature.cache import Cache
from titer.modeling import embedding, loading, merging
from titer.training import adopt, sft
from titer.training.checkpoints import last_checkpoint

ROOT = Path(__file__).resolve().parents[1]
MODEL, ADAPTER = "model.safetensors", "adapter_model.safetensors"


class Canary:
    """Leaves a file when a pickle of it is loaded."""

    def __init__(self, ran: Path) -> None:
        self.ran = ran

    def __reduce__(self) -> Any:
        return Path.touch, (self.ran,)


def plain(canary: Canary) -> bytes:
    return pickle.dumps(canary, protocol=2)  # the one that torch looks for


def as_torch(canary: Canary) -> bytes:
    """As torch.save writes it: a pickle within a zip."""
    import torch

    out = io.BytesIO()
    torch.save(canary, out)
    return out.getvalue()


def as_numpy(canary: Canary) -> bytes:
    """As numpy writes an array of objects."""
    import numpy as np

    out = io.BytesIO()
    np.save(out, np.array([canary], dtype=object), allow_pickle=True)
    return out.getvalue()


KINDS = pytest.mark.parametrize("kind", [plain, as_torch, as_numpy])
Kind = Callable[[Canary], bytes]


@KINDS
def test_the_canary_runs_where_a_pickle_is_loaded(kind: Kind, tmp_path: Path) -> None:
    """Without this the tests below could not fail."""
    import numpy as np
    import torch

    content = kind(Canary(tmp_path / "ran"))
    {
        plain: lambda: pickle.loads(content),
        as_torch: lambda: torch.load(io.BytesIO(content), weights_only=False),
        as_numpy: lambda: np.load(io.BytesIO(content), allow_pickle=True),
    }[kind]()
    assert (tmp_path / "ran").exists()


def read_model(folder: Path) -> object:
    return loading.load_model(folder, dtype=Dtype.float32, device=Device.cpu)


def refused(read: Callable[[], object]) -> None:
    with pytest.raises(TiterError) as found:
        read()
    assert "\n" not in str(found.value)


@KINDS
@pytest.mark.parametrize("name", [MODEL, "pytorch_model.bin", "model.pt", "model.pth"])
@pytest.mark.parametrize("read", [read_model, embedding.encoder])
def test_of_a_model(
    read: Callable[[Path], object], name: str, kind: Kind, tiny_model: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    (folder / MODEL).unlink()
    (folder / name).write_bytes(kind(Canary(tmp_path / "ran")))
    refused(lambda: read(folder))
    assert not (tmp_path / "ran").exists()


@KINDS
def test_beside_the_weights_of_a_model(kind: Kind, tiny_model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    content = kind(Canary(tmp_path / "ran"))
    for name in ("pytorch_model.bin", "training_args.bin", "optimizer.pt", "tokenizer.model",
                 "vocab.pkl", "consolidated.00.pth"):  # fmt: skip
        (folder / name).write_bytes(content)
    read_model(folder)
    loading.load_tokenizer(folder)
    (tmp_path / "out").mkdir()
    merging.copy_companions(folder, tmp_path / "out")
    assert not (tmp_path / "ran").exists()
    held = {path.name for path in (tmp_path / "out").iterdir() if path.read_bytes() == content}
    assert held == {"tokenizer.model"}  # the place of SentencePiece's, which is no pickle's


@pytest.fixture(scope="module")
def tiny_adapter(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh adapter on the tiny model."""
    from peft import LoraConfig, get_peft_model

    folder = tmp_path_factory.mktemp("tiny") / "adapter"
    config = LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM")
    get_peft_model(read_model(tiny_model), config).save_pretrained(folder)
    return folder


@KINDS
@pytest.mark.parametrize("name", [ADAPTER, "adapter_model.bin", "adapter_model.pt"])
def test_of_an_adapter(
    name: str, kind: Kind, tiny_adapter: Path, tiny_model: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_adapter, tmp_path / "adapter"))
    (folder / ADAPTER).unlink()
    (folder / name).write_bytes(kind(Canary(tmp_path / "ran")))
    model = read_model(tiny_model)
    refused(lambda: loading.load_adapter(model, folder))
    refused(lambda: adopt.adopt(folder, base=tiny_model, think=Think.none, out=tmp_path / "out"))
    refused(lambda: gguf_model.write_adapter(folder, tiny_model, tmp_path / "adapter.gguf"))
    assert not (tmp_path / "ran").exists()


@KINDS
def test_beside_the_weights_of_an_adapter(
    kind: Kind, tiny_adapter: Path, tiny_model: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_adapter, tmp_path / "adapter"))
    content = kind(Canary(tmp_path / "ran"))
    for name in ("adapter_model.bin", "training_args.bin", "optimizer.pt", "rng_state.pth"):
        (folder / name).write_bytes(content)
    loading.load_adapter(read_model(tiny_model), folder)
    adopt.adopt(folder, base=tiny_model, think=Think.none, out=tmp_path / "out")
    assert not (tmp_path / "ran").exists()
    assert content not in {path.read_bytes() for path in (tmp_path / "out").iterdir()}


@pytest.fixture(scope="module")
def cut(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a training that was killed after its first checkpoint."""
    folder = tmp_path_factory.mktemp("cut")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sft, "StageProgress", kill_after(5))
        with pytest.raises(Killed):
            train(folder, tiny_model, QLORA, "cut")
    return folder


@KINDS
@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_of_a_checkpoint(
    name: str, kind: Kind, cut: Path, tiny_model: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(cut, tmp_path / "copy"))
    checkpoint = last_checkpoint(folder / "cut.ck")
    assert checkpoint is not None
    assert (checkpoint / name).is_file()
    (checkpoint / name).write_bytes(kind(Canary(tmp_path / "ran")))
    refused(lambda: train(folder, tiny_model, QLORA, "cut"))
    assert not (tmp_path / "ran").exists()


@KINDS
@pytest.mark.parametrize(
    "name",
    [
        "rows.jsonl",
        "rows.json",
        "rows.csv",
        "rows.txt",
        "rows.parquet",
        "rows.jsonl.gz",
        "rows.pkl",
    ],
)
def test_of_training_rows(name: str, kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(kind(Canary(tmp_path / "ran")))
    try:
        list(Reading(path))
    except TiterError as error:
        assert "\n" not in str(error)
    assert not (tmp_path / "ran").exists()


@KINDS
@pytest.mark.parametrize("suffix", ["pdf", "docx", "html", "md", "txt"])
def test_of_documents(suffix: str, kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / f"document.{suffix}"
    path.write_bytes(kind(Canary(tmp_path / "ran")))
    reader.answer(path, max_pages=20)
    assert not (tmp_path / "ran").exists()


@KINDS
def test_of_papers_and_kept_answers(kind: Kind, tmp_path: Path) -> None:
    content = kind(Canary(tmp_path / "ran"))
    for name in ("a.xml", "a.xml.gz", "a.atom"):
        (tmp_path / name).write_bytes(content)
        refused(lambda: own_papers.read_papers(tmp_path / name))  # noqa: B023
    cache = Cache(tmp_path, "2026-01-01", offline=True)
    for kind_of_answer in ("pubmed", "ids"):
        path = cache.path(kind_of_answer, "key")
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    assert (cache.read("pubmed", "key"), cache.read_ids("key")) == (None, None)
    assert not (tmp_path / "ran").exists()


LOADERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "diskcache"}
UNSAFE = {"weights_only": False, "allow_pickle": True, "trust_remote_code": True}


def test_no_module_of_ours_can_load_one() -> None:
    """Nor is one switched on in a library."""
    for path in sorted([*(ROOT / "titer").rglob("*.py"), *(ROOT / "stages").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not {one.name.partition(".")[0] for one in node.names} & LOADERS, path
            elif isinstance(node, ast.ImportFrom):
                taken = {one.name for one in node.names} - {"UnpicklingError"}
                assert not taken or (node.module or "").partition(".")[0] not in LOADERS, path
            elif isinstance(node, ast.Call):
                for word in node.keywords:
                    given = getattr(word.value, "value", None)
                    assert word.arg not in UNSAFE or given is not UNSAFE[word.arg], path
                assert ast.unparse(node.func) not in ("torch.load", "pd.read_pickle"), path

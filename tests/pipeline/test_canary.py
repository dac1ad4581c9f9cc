"""Secrets of the environment go through everything a user can run, and are found nowhere after."""

import gzip
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml

from tests.pipeline.conftest import Clone, clone_of_the_working_tree, make_tiny
from tests.standin import corpus, llm
from tests.standin.server import Server
from titer import files

pytestmark = pytest.mark.slow

# computed, so that the file of this test holds none of them
NAMES = ("NCBI_API_KEY", "HF_TOKEN", "TITER_JUDGE_API_KEY", "TITER_LLM_API_KEY", "WANDB_API_KEY")
CANARIES = {name: f"canary-{files.sha256_text(name)[:20]}" for name in NAMES} | {
    "NCBI_EMAIL": f"canary.{files.sha256_text('address')[:20]}@example.org"
}


def contents(path: Path) -> Iterator[bytes]:
    """A file's bytes, and those of what is packed in it."""
    body = path.read_bytes()
    yield body
    if body[:2] == b"\x1f\x8b":
        yield gzip.decompress(body)
    if zipfile.is_zipfile(io.BytesIO(body)):
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            yield from (archive.read(name) for name in archive.namelist())


def hits(root: Path) -> tuple[list[str], int]:
    """Files that hold a canary, and how many files were looked at."""
    wanted = [form.encode() for secret in CANARIES.values() for form in (secret, quote(secret))]
    found, n_files = [], 0
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            n_files += 1
            if any(word in body for body in contents(path) for word in wanted):
                found.append(path.relative_to(root).as_posix())
    return found, n_files


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Clone, Server, str]]:
    """A tiny pipeline that asks stand-ins of PubMed, arXiv and a judge, with every secret set."""
    for name, value in CANARIES.items():
        monkeypatch.setenv(name, value)
    clone = clone_of_the_working_tree(tmp_path / "clone")
    make_tiny(clone)
    # the stand-in's words are in no vocabulary, so its rows are long
    clone.edit("conf/model/pocket.yaml", lambda t: t.replace("max_length: 384", "max_length: 1000"))
    fragments, entries = corpus.fragments(60), corpus.entries(50)
    with Server(fragments, entries) as server, llm.serve([llm.Reply("A")]) as judge:
        papers = clone.read("conf/papers/live.yaml")
        papers |= {"snapshot": "2030-12-31", "timeout_s": 5}
        for service in ("pubmed", "arxiv"):
            papers[service] |= {"base_url": server.url, "gap_s": 0.01}
        (clone.path / "conf/papers/live.yaml").write_text(yaml.safe_dump(papers))
        params = clone.read("params.yaml") | {"papers": "live"}
        params["score"]["judge"] |= {"enabled": True, "base_url": judge.url, "model": "stand-in"}
        (clone.path / "params.yaml").write_text(yaml.safe_dump(params))
        yield clone, server, judge.url
        assert f"Bearer {CANARIES['TITER_JUDGE_API_KEY']}" in judge.keys


def test_no_secret_is_left_anywhere(live: tuple[Clone, Server, str]) -> None:
    clone, server, writer = live
    said = [clone.run("dvc", "repro").stdout]
    for command in (
        ("python", "-m", "stages.fetch_papers"),
        ("python", "-m", "stages.train_qlora", "--multirun", "qlora.learning_rate=1e-4,2e-4"),
        ("titer", "status"),
        ("titer", "report", "pack"),
        ("titer", "export", "llama-factory"),
        ("titer", "export", "lm-eval"),
        ("titer", "papers", "generate", "--endpoint", writer, "--model", "stand-in"),
    ):
        done = clone.run(*command, check=False)
        said += [done.stdout, done.stderr]
    assert any(CANARIES["NCBI_API_KEY"] in str(request) for request in server.requests("esearch"))
    assert not [secret for secret in CANARIES.values() if secret in "".join(said)]
    found, n_files = hits(clone.path)
    print(f"{len(found)} of {n_files} files hold a secret")
    assert n_files > 1000
    assert found == []

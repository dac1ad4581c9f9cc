"""Readers of what Titer itself wrote and gets back by a clone, a remote or a hand.

Each target replaces one file of a small project that is otherwise whole.
"""

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from tests.fuzzing.target import Target, place
from titer import files
from titer.errors import TiterError

WEIGHTS = b"weights of an adapter"
BASE = {"id": "b", "revision": None, "weights_sha256": "w", "tokenizer_sha256": "t",
        "chat_template_sha256": "none"}  # fmt: skip
PRIMARY = {"endpoint": "closed_acc", "n": 4, "base": 0.25, "arm": 0.5, "delta": 0.25, "low": 0.1,
           "high": 0.4, "both": 1, "only_new": 1, "only_base": 0, "neither": 2}  # fmt: skip
PROJECT: dict[str, Any] = {
    "results/model.json": BASE | {"license": "mit"},
    "results/stats.json": {
        "plan": {"alpha": 0.05, "sha256": "p"},
        "comparisons": {
            "qlora": {
                "status": "ok", "reason": None, "verdict": "helped", "sentence": "s",
                "primary": PRIMARY, "gates": [{"name": "items", "failed": False, "detail": "d"}],
            },
            "full": {"status": "not_run", "reason": "too large"},
        },
    },
    "results/base/run.json": {
        "status": "ok", "reason": None, "think": "none",
        "generation": {"temperature": 0.0, "top_p": 1.0, "samples": 1, "max_new_tokens": 9},
        "models": [BASE | {"adapter_sha256": None, "precision": "float32"}],
    },
    "results/qlora/run.json": {
        "status": "ok", "reason": None, "think": "none",
        "generation": {"temperature": 0.0, "top_p": 1.0, "samples": 1, "max_new_tokens": 9},
        "models": [BASE | {"adapter_sha256": files.sha256_text(files.sha256_bytes(WEIGHTS)),
                           "precision": "nf4"}],
    },
    "results/train_qlora/run.json": {
        "status": "ok", "reason": None, "examples_sha256": "e", "settings": {"precision": "float32"}
    },
    "results/train_qlora/metrics.json": {
        "train_qlora": {"train_loss": 0.5, "validation_loss": 1.0}
    },
}  # fmt: skip
"""Path -> content, beside models/qlora."""

PAPER = {
    "paper_id": "pmid:1", "source": "pubmed", "title": "A title.", "pmid": "1", "query_ids": ["q"],
    "sections": [{"label": "", "category": "", "text": "An answer. More."}], "cluster_id": "pmid:1",
}  # fmt: skip
EXAMPLE = {
    "id": "abcdef01", "recipe": "a", "recipe_version": 1, "paper_id": "pmid:1", "source": "pubmed",
    "title": "A title.", "spans": [[0, 0, 10]], "cluster_id": "pmid:1", "split": "train",
    "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "An answer."}],
}  # fmt: skip
LEAK = {"example_id": "abcdef02", "paper_id": "pmid:1", "rule": "duplicate", "item_id": "i",
        "matched": ""}  # fmt: skip
COLLECTION: dict[str, Any] = {
    "stats.json": {},
    "papers.jsonl.gz": [PAPER],
    "copies.jsonl.gz": [PAPER | {"paper_id": "pmid:2"}],
    "examples/train.jsonl": [EXAMPLE],
    "examples/validation.jsonl": [],
    "heldout.jsonl": [{"paper_id": "pmid:3", "text": "t", "example_ids": ["abcdef03"]}],
    "removed.jsonl": [LEAK],
    "skipped.jsonl": [{"paper_id": "pmid:4", "reason": "r"}],
    "rejected.jsonl": [{"paper_id": "pmid:5", "reason": "r", "detail": "d"}],
    "duplicate.jsonl": [{"paper_id": "pmid:2", "canonical": "pmid:1", "reason": "r"}],
    "ids.json": {"pubmed": [{"query_id": "q", "query": "w", "until": "2026"}], "files": []},
}
"""Path below data/papers -> content."""

ASKED = ("abcdef01", "abcdef02", "abcdef03", "pmid:1", "pmid:2", "pmid:5")
"""Of which `titer papers why` tells the chain."""


def as_file(name: str, value: Any) -> bytes:
    """A content as the file of that name holds it."""
    if ".jsonl" not in name:
        return json.dumps(value).encode()
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in value)
    return gzip.compress(lines, mtime=0) if name.endswith(".gz") else lines


def filled(folder: Path, content: Mapping[str, Any], name: str, data: bytes) -> Path:
    """A folder with these files, of which one holds the input."""
    for each, value in content.items():
        path = folder / each
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if each == name else as_file(each, value))
    return folder


def read_result(name: str) -> Callable[[bytes], object]:
    """As `titer status`, `titer model register` and `titer serve` read it."""

    def read(data: bytes) -> object:
        from titer.cli import status
        from titer.registry import record
        from titer.serving import finding

        root = filled(place("project"), PROJECT, name, data)
        weights = root / "models" / "qlora" / "adapter_model.safetensors"
        weights.parent.mkdir(parents=True)
        weights.write_bytes(WEIGHTS)
        base = finding.Folder(root, "w", "t", "")
        readers: tuple[Callable[[], object], ...] = (
            lambda: status._verdicts(root),
            lambda: record.read(root, "qlora", "d").to_text(),
            lambda: finding.base_offer(root, base, {}),
            lambda: finding._verdicts(root / "results" / "stats.json"),
        )
        return at_once(readers)

    return read


def at_once(readers: Sequence[Callable[[], object]]) -> list[object]:
    """All of them, whichever refuses; the first refusal is passed on at the end."""
    found, refusals = [], []
    for reader in readers:
        try:
            found.append(reader())
        except TiterError as error:
            assert "\n" not in str(error).strip(), repr(error)
            refusals.append(error)
    if refusals:
        raise refusals[0]
    return found


def read_collection(name: str) -> Callable[[bytes], object]:
    """As `titer papers why` reads it."""

    def read(data: bytes) -> object:
        from titer.cli import papers
        from titer.examples.trace import Collection

        folder = filled(place("papers"), COLLECTION, name, data)

        def why(asked: str) -> object:
            with files.as_written(folder, "Run: dvc checkout"):
                collection = Collection(folder)
                trail = collection.trail(asked)
                for example in trail.examples:
                    papers._print_example(example, trail.paper)
                if trail.paper is None:
                    return trail
                papers._print_paper(trail.paper, trail.cluster)
                return collection.queries(trail.paper)

        return at_once([partial(why, asked) for asked in ASKED])

    return read


def read_study(data: bytes) -> object:
    from titer.report import studies

    folder = place("studies")
    for name in studies.NAMES:
        (folder / f"{name}.json").write_bytes(data)
        try:
            found = studies.read(folder)
            return studies.sentences(found), studies.tables(found)
        except TiterError:
            (folder / f"{name}.json").unlink()
            if name == studies.NAMES[-1]:
                raise
    return None


@lru_cache
def studies_made() -> tuple[bytes, ...]:
    """A study of seeds and a placebo, of few questions."""
    from tests.evaluation.test_studies import run
    from titer.evaluation import studies

    made = (
        studies.seeds({seed: run(0.4, seed=seed, n=8) for seed in (1, 2, 3)}),
        studies.placebo(run(0.5, seed=1, n=8), run(0.0, seed=2, n=8)),
    )
    return tuple(json.dumps(files.rounded(one)).encode() for one in made)


def read_samples(data: bytes) -> object:
    from titer.export import lm_eval

    path = place("samples") / "samples.jsonl"
    path.write_bytes(data)
    rows = [{"id": "a", "ll": [-1.0, -2.0]}]
    with files.as_written(path, "Give samples"):
        return lm_eval.agreement(files.read_jsonl(path), rows)


def read_tokenizer(data: bytes) -> object:
    from titer.export import gguf_vocabulary

    (folder := place("tokenizer")).joinpath("tokenizer.json").write_bytes(data)
    (folder / "config.json").write_text('{"model_type": "qwen3"}')
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "e", "unk_token": "u"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return gguf_vocabulary.read(folder, 16)


@lru_cache
def tokenizers() -> tuple[bytes, ...]:
    """Two tokenizers of few tokens: bytes as GPT-2 has them, pieces as Llama 2 has them."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    by_bytes = Tokenizer(models.BPE(vocab={"a": 0, "b": 1, "ab": 2}, merges=[("a", "b")]))
    by_bytes.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces = Tokenizer(
        models.BPE(
            vocab={"u": 0, "a": 1, "b": 2, "ab": 3, "<0x0A>": 4}, merges=[("a", "b")],
            unk_token="u", byte_fallback=True,
        )
    )  # fmt: skip
    pieces.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    for one in (by_bytes, pieces):
        one.add_special_tokens(["e", "u"])
    return tuple(one.to_str().encode() for one in (by_bytes, pieces))


SAMPLE = {"doc": {"id": "a"}, "filtered_resps": [["-1.0", "False"], ["-2.0", "False"]]}


def all_targets() -> dict[str, Target]:
    """Name -> target."""
    return {
        **{
            name.replace("/", "_").removesuffix(".json"): Target(
                read_result(name), (as_file(name, value),)
            )
            for name, value in PROJECT.items()
        },
        **{
            f"papers_{name.partition('.')[0].replace('/', '_')}": Target(
                read_collection(name), (as_file(name, value or [EXAMPLE]),)
            )
            for name, value in COLLECTION.items()
            if name != "stats.json"  # it only has to be there
        },
        "study": Target(read_study, studies_made()),
        "samples": Target(read_samples, (as_file("a.jsonl", [SAMPLE]),)),
        "tokenizer": Target(read_tokenizer, tokenizers()),
    }

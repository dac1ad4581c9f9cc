"""One export from start to end: written, asked the fixed prompts, labelled, laid in its place.

Invariant: export.json stands beside every export and says what it was made from, what its files
hash to and whether it may be called evaluated. The same weights give the same bytes.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from titer import files
from titer.config import Device, Think
from titer.errors import NotFound
from titer.export import gguf_model, hub_folder, parity
from titer.export.gguf_model import ADAPTER, BASE, MODEL
from titer.export.landing import landing
from titer.export.llama_cpp import Engine
from titer.export.parity import Asked, Parity
from titer.export.source import Source
from titer.modeling import chat_template, loading, merging
from titer.modeling.generation import end_token_ids
from titer.modeling.next_tokens import NextTokens

RECORD = "export.json"
N_PROMPTS = 32
"""Questions that both models are asked, the first of the benchmark's open ones."""


@dataclass(frozen=True)
class Exported:
    """One finished export."""

    folder: Path
    parity: Parity
    not_evaluated: str | None
    """Why it may not be called evaluated; null when it may."""


@dataclass(frozen=True)
class Fixed:
    """The evaluated model's answers to the fixed prompts."""

    references: list[parity.Reference]
    ends: set[int]
    context: int
    """Tokens that the longest prompt and its answer take."""


def ask_evaluated(source: Source, questions: Sequence[str], think: Think) -> Fixed:
    """Load the model as it was evaluated, ask it the fixed prompts, and let go of it.

    Args:
        questions: at least one.
    """
    tokenizer = loading.load_tokenizer(source.base)
    model = source.load()
    prompts = [
        chat_template.encode_prompt(
            tokenizer, chat_template.render_prompt(tokenizer, chat_template.ask(question), think)
        )
        for question in questions[:N_PROMPTS]
    ]
    ends = end_token_ids(tokenizer, model)
    references = parity.references(NextTokens(model), prompts, ends)
    del model
    loading.free_memory(source.device)
    return Fixed(references, ends, max(map(len, prompts)) + parity.N_NEW + 1)


def merged(source: Source, out: Path, fixed: Fixed, *, as_trained: bool) -> Exported:
    """Base and adapter as one folder of safetensors.

    Args:
        as_trained: see `titer.modeling.merging.merge`; a full fine-tune is written as it is.
    """

    def write(folder: Path) -> Asked:
        _merge(source, folder, as_trained=as_trained)
        return NextTokens(loading.load_model(folder, dtype=source.dtype, device=Device.cpu))

    about = {"kind": "merged", "number_format": str(source.dtype), "as_trained": as_trained}
    return _export(source, out, fixed, about, write, {})


def gguf(
    source: Source,
    out: Path,
    fixed: Fixed,
    *,
    number_format: str,
    as_trained: bool,
    adapter: bool = False,
    beside: Mapping[str, str] | None = None,
) -> Exported:
    """GGUF for llama.cpp, asked through it: the merged model, or base and adapter apart.

    Args:
        number_format: of the merged model or the base, see `gguf_model.TYPES`.
        as_trained: see `titer.modeling.merging.merge`.
        adapter: two files, to be loaded together.
        beside: name -> text of files that go into the same folder.

    Raises:
        NotFound: two files are wanted of a fine-tune that is no adapter.
    """
    low_rank = needed_adapter(source) if adapter else None

    def write(folder: Path) -> Asked:
        whole = folder / "safetensors"
        _merge(source, whole, as_trained=as_trained, bare=adapter)
        name = BASE if adapter else MODEL
        model = gguf_model.write_model(whole, folder / name, number_format=number_format)
        shutil.rmtree(whole)
        path = low_rank and gguf_model.write_adapter(low_rank, source.base, folder / ADAPTER)
        return Engine(model, adapter=path, context=fixed.context, end=min(fixed.ends))

    about = {
        "kind": "gguf_adapter" if adapter else "gguf",
        "number_format": number_format,
        "as_trained": as_trained,
    }
    return _export(source, out, fixed, about, write, beside or {})


def needed_adapter(source: Source) -> Path:
    """The adapter's folder.

    Raises:
        NotFound: the fine-tune is no adapter.
    """
    if source.adapter is None:
        raise NotFound(f"{source.base}: a full fine-tune has no adapter. Leave --adapter out")
    return source.adapter


def hub(
    source: Source,
    out: Path,
    fixed: Fixed,
    *,
    card: Path,
    licence: str,
    base: tuple[str, str | None] | None,
) -> Exported:
    """The weights as they were evaluated, with card and licence; see `hub_folder.write`."""

    def write(folder: Path) -> Asked:
        hub_folder.write(source, card, licence, folder, base=base)
        is_adapter = source.adapter is not None
        written = replace(source, adapter=folder) if is_adapter else replace(source, base=folder)
        return NextTokens(written.load())

    about = {"kind": "hub", "number_format": "as trained", "as_trained": True}
    return _export(source, out, fixed, about, write, {})


def _merge(source: Source, folder: Path, *, as_trained: bool, bare: bool = False) -> None:
    """Write the model, `bare` without its adapter."""
    if bare and source.adapter is not None:  # merge checks the adapter that it adds
        chat_template.check_trained_with(loading.load_tokenizer(source.base), source.adapter)
    adapter = None if bare else source.adapter
    quantized = as_trained and source.quantized
    merging.merge(source.base, adapter, folder, dtype=source.dtype, as_trained=quantized)


def _export(
    source: Source,
    out: Path,
    fixed: Fixed,
    about: Mapping[str, Any],
    write: Callable[[Path], Asked],
    beside: Mapping[str, str],
) -> Exported:
    with landing(out) as folder:
        folder.mkdir()
        for name, text in beside.items():
            files.write_text(folder / name, text)
        found = parity.compare(fixed.references, write(folder), fixed.ends)
        names = sorted(path.name for path in folder.iterdir())
        reason = source.not_evaluated() or found.reason()
        record = {
            **about,
            "schema_version": 1,
            "arm": source.arm,
            "source": source.hashes(),
            "files": {name: files.sha256_file(folder / name) for name in names},
            "parity": files.rounded(found.to_json(), 9),
            "evaluated": reason is None,
            "reason": reason,
        }
        files.write_json(folder / RECORD, record)
    return Exported(out, found, reason)

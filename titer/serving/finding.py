"""What a project can serve: its base, registered versions, and on demand what is not registered.

Invariant: nothing is offered whose weights, base, tokenizer or template are not those that were
evaluated; settings come from the record of the evaluation.
"""

import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from titer import files
from titer.config import Dtype, GenerationSettings, Think
from titer.errors import BaseMismatch, ConfigError, DataError, FormatError, LoadError, NotFound
from titer.modeling import chat_template, loading
from titer.modeling.weights import is_encoder_decoder, tensor_shapes
from titer.registry import folders, pulling, repository, tags
from titer.registry.names import ARMS, Name, parse
from titer.registry.tags import Version
from titer.serving.catalogue import Catalogue, Offer
from titer.serving.engine import BASE, Servable

WORKSPACE = "workspace"
"""In place of a version: what lies in models/ and may change with the next run."""
NF4 = "nf4"
AGAIN = "Run: dvc checkout results; of a registered version remove that folder, it is pulled again"


@dataclass(frozen=True)
class Folder:
    """A model folder, its bytes read once."""

    path: Path
    weights_sha256: str
    tokenizer_sha256: str
    template: str
    """Of chats; empty where there is none."""

    @property
    def template_sha256(self) -> str:
        """As the record of the evaluation has it."""
        return files.sha256_text(self.template) if self.template else "none"


@dataclass(frozen=True)
class Evaluated:
    """The record of an evaluation: results/<arm>/run.json and the training's."""

    run: dict[str, Any]
    training: dict[str, Any] | None
    """Null of the base."""
    where: str


def find(
    root: Path, domains: Sequence[str], *, workspace: str | None = None, also: Iterable[str] = ()
) -> Catalogue:
    """The catalogue of a project.

    Args:
        root: the project.
        domains: all that it knows.
        workspace: domain of the fine-tunes in models/, which are then offered too.
        also: further versions, such as `autoimmune-qlora@v1.1.0`; they answer when named.

    Raises:
        TiterError: the base or a version is missing, damaged, or does not belong together.
    """
    base = read_folder(root / "models" / "base")
    source = files.read_json_object(root / "results" / "model.json")
    offers = {BASE: base_offer(root, base, source)}
    active: dict[str, str] = {}
    for version, is_active in _versions(root, domains, also):
        offer = registered_offer(root, version, base)
        offers[offer.servable.name] = offer
        if is_active:
            active.setdefault(version.name.domain, offer.servable.name)
    if workspace is not None:
        for offer in _workspace_offers(root, workspace, base, offers[BASE]):
            offers[offer.servable.name] = offer
            active.setdefault(workspace, offer.servable.name)
    return Catalogue(offers, active, frozenset(domains))


def _versions(
    root: Path, domains: Sequence[str], also: Iterable[str]
) -> Iterable[tuple[Version, bool]]:
    """The active versions, adapters before full fine-tunes, then those that were named."""
    for domain in domains:
        for arm in ARMS:
            found = tags.read(root, Name(domain, arm)).active
            if found is not None:
                yield found, True
    for text in also:
        name, number = parse(text, domains)
        if number is None:
            raise ConfigError(f"{text}: which version? Write {text}@v1.0.0; see: titer model list")
        version = tags.read(root, name).get(number)
        if version.retired is not None:
            raise ConfigError(f"{version} is retired ({version.retired}); it may not serve")
        yield version, False


# ---- folders ----------------------------------------------------------------------------------


def read_folder(path: Path) -> Folder:
    """Hash a model folder.

    Raises:
        LoadError: no model there, a pickle under whatever name, or an encoder-decoder.
    """
    loading.check_model_folder(path)
    check_safetensors(path)
    if is_encoder_decoder(path):
        raise LoadError(f"{path}: an encoder-decoder; only decoders are served")
    weights = folders.weights_sha256(folders.file_hashes(path))
    tokenizer = loading.load_tokenizer(path)
    return Folder(
        path, weights or "", chat_template.tokenizer_sha256(tokenizer),
        tokenizer.chat_template or "",
    )  # fmt: skip


def check_safetensors(path: Path) -> None:
    """Refuse a folder without safetensors, or with a file that only has their name.

    Raises:
        LoadError: names the file; it was not executed, whatever is in it.
    """
    found = sorted(path.glob("*.safetensors"))
    if not found:
        raise LoadError(f"{path}: no *.safetensors. Pickled weights are not loaded: convert them")
    for file in found:
        tensor_shapes(file)


# ---- offers -----------------------------------------------------------------------------------


def base_offer(root: Path, base: Folder, source: dict[str, Any]) -> Offer:
    """The base as it was evaluated in full precision.

    Raises:
        BaseMismatch: models/base is not what was evaluated.
        FormatError: the record of the evaluation is not as the benchmark writes it.
    """
    evaluated = _evaluated(root / "results", "base")
    with files.as_written(evaluated.where, AGAIN):
        judged = next((m for m in evaluated.run["models"] if m["precision"] != NF4), None)
        if judged is None:
            raise FormatError(f"{evaluated.where}: no record of the base in full precision")
        _check_same(evaluated, judged, base)
        revision = str(source.get("revision") or f"sha256:{base.weights_sha256[:12]}")
        servable = _servable(BASE, base, None, None, revision, judged, evaluated)
        return Offer(servable, may_open_thought=_may_open(base, servable.think))


def registered_offer(root: Path, version: Version, base: Folder) -> Offer:
    """A registered version, brought from the cache or the remote where it is not here.

    Raises:
        BaseMismatch: it was made on another base, tokenizer or template.
        DataError: neither has it.
    """
    record = version.record
    wanted, found = record.base, base
    if (wanted["weights_sha256"], wanted["tokenizer_sha256"], wanted["chat_template_sha256"]) != (
        found.weights_sha256, found.tokenizer_sha256, found.template_sha256,
    ):  # fmt: skip
        raise BaseMismatch(
            f"{version}: made on base {wanted['id']} ({str(wanted['weights_sha256'])[:12]}), "
            f"models/base is another ({found.weights_sha256[:12]}, or its tokenizer or template). "
            "Bring that base, or activate a version of this one"
        )
    folder, _ = pulling.pull(root, version)
    evaluated = _evaluated_then(root, version, folder)
    revision = str(wanted["revision"] or f"sha256:{found.weights_sha256[:12]}")
    return _offer(
        version.name, str(version.number), folder / pulling.MODEL, base, revision, evaluated,
        record.verdict,
    )  # fmt: skip


def _workspace_offers(root: Path, domain: str, base: Folder, of_base: Offer) -> Iterable[Offer]:
    """The fine-tunes in models/ that were trained and evaluated."""
    found = [arm for arm in ARMS if _was_trained(root / "models" / arm)]
    if not found:
        raise NotFound("models/: neither qlora nor full was trained. Run: dvc repro")
    verdicts = _verdicts(root / "results" / "stats.json")
    for arm in found:
        yield _offer(
            Name(domain, arm), WORKSPACE, root / "models" / arm, base,
            of_base.servable.base_revision, _evaluated(root / "results", arm),
            verdicts.get(arm),
        )  # fmt: skip


def _verdicts(stats: Path) -> dict[str, str | None]:
    """By arm; none before the first score."""
    if not stats.is_file():
        return {}
    with files.as_written(stats, AGAIN):
        blocks = files.read_json(stats)["comparisons"]
        return {arm: block.get("verdict") for arm, block in blocks.items()}


def _was_trained(folder: Path) -> bool:
    return folder.is_dir() and loading.not_run_reason(folder) is None


def _offer(
    name: Name,
    number: str,
    folder: Path,
    base: Folder,
    revision: str,
    evaluated: Evaluated,
    verdict: str | None,
) -> Offer:
    with files.as_written(evaluated.where, AGAIN):
        judged = evaluated.run["models"][0]
        model, adapter = base, None
        if name.arm == "qlora":
            check_safetensors(folder)
            found = folders.weights_sha256(folders.file_hashes(folder))
            if found != judged["adapter_sha256"]:
                raise BaseMismatch(
                    f"{folder}: this adapter ({str(found)[:12]}) is not the one that was evaluated "
                    f"({str(judged['adapter_sha256'])[:12]}). Run: dvc repro"
                )
            adapter = folder
        else:
            model = read_folder(folder)
        _check_same(evaluated, judged, model)
        servable = _servable(
            f"{name}@{number}", model, adapter, name.domain, revision, judged, evaluated
        )
        return Offer(servable, str(name), number, verdict, _may_open(model, servable.think))


def _check_same(evaluated: Evaluated, judged: dict[str, Any], found: Folder) -> None:
    """Refuse a model below the evaluation's that is not the evaluation's.

    Raises:
        BaseMismatch: names what differs.
    """
    for key, is_now in (
        ("weights_sha256", found.weights_sha256),
        ("tokenizer_sha256", found.tokenizer_sha256),
        ("chat_template_sha256", found.template_sha256),
    ):
        if judged[key] != is_now:
            raise BaseMismatch(
                f"{found.path}: its {key} is {is_now[:12]}, evaluated was {judged[key][:12]} "
                f"({evaluated.where}): an adapter or a record of another base. Run: dvc repro"
            )


def _servable(
    name: str,
    model: Folder,
    adapter: Path | None,
    domain: str | None,
    revision: str,
    judged: dict[str, Any],
    evaluated: Evaluated,
) -> Servable:
    given = evaluated.run["generation"]
    names = ("temperature", "top_p", "samples", "max_new_tokens")
    return Servable(
        name=name,
        folder=model.path,
        adapter=adapter,
        domain=domain,
        base_revision=revision,
        template_sha256=model.template_sha256,
        precision=_precision(judged, evaluated),
        quantize=judged["precision"] == NF4,
        think=Think(evaluated.run["think"]),
        generation=GenerationSettings(**{key: given[key] for key in names}),
    )


def _precision(judged: dict[str, Any], evaluated: Evaluated) -> Dtype:
    """Of the arithmetic: on 4-bit weights that of the training, which is hardware.precision."""
    if judged["precision"] != NF4:
        return Dtype(judged["precision"])
    settings = (evaluated.training or {}).get("settings") or {}
    return Dtype(settings.get("precision", Dtype.float32))


def _may_open(model: Folder, think: Think) -> bool:
    """Whether a prompt can end inside a thought: only where the template writes one."""
    return think == Think.keep and chat_template.THINK_OPEN in model.template


# ---- records ----------------------------------------------------------------------------------


def _evaluated(results: Path, arm: str) -> Evaluated:
    path = results / arm / "run.json"
    if not path.is_file():
        raise DataError(f"{path}: what was not evaluated is not served. Run: dvc repro")
    run = files.read_json_object(path)
    if run.get("status") != "ok" or not run.get("models"):
        raise DataError(f"{path}: the benchmark did not run ({run.get('reason')}). Run: dvc repro")
    training = results / f"train_{arm}" / "run.json"
    return Evaluated(
        run, files.read_json_object(training) if training.is_file() else None, str(path)
    )


def _evaluated_then(root: Path, version: Version, folder: Path) -> Evaluated:
    """The record as it stood when a version was registered, kept beside its copy."""
    arm, kept = version.name.arm, folder / "results"
    names = (f"{arm}/run.json", f"train_{arm}/run.json")
    if not all((kept / name).is_file() for name in names):
        with tempfile.TemporaryDirectory(dir=folder, prefix=".results.") as staging:
            for name in names:
                target = Path(staging) / "results" / name
                target.parent.mkdir(parents=True)
                repository.get(root, f"results/{name}", version.commit, target)
            if kept.exists():  # one of the two was lost; a folder replaces an empty one alone
                shutil.rmtree(kept)
            (Path(staging) / "results").rename(kept)
    return _evaluated(kept, arm)

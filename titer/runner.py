"""Runs a stage function as a Hydra application whose primary configuration is params.yaml.

A key of params.yaml that names a folder conf/<key>/ chooses conf/<key>/<value>.yaml; every other
key is a value. DVC and Hydra so share one spelling: `dvc exp run -S model=pocket`, and
`python -m stages.train_qlora model=pocket`. This is the only module that knows Hydra.

Invariant: a stage is given the keys that it declares and no others; only a process that DVC started
writes the pipeline's outs, any other writes below runs/.
"""

import contextlib
import errno
import fcntl
import functools
import gc
import importlib
import io
import json
import logging
import os
import re
import shutil
import signal
import string
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, cast, get_args, get_type_hints

import hydra
import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import CompactHydraException, HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor

from titer import files, main_memory, signals
from titer.config import Config
from titer.errors import (
    ConfigError,
    GateFailed,
    OutOfMemory,
    Stopped,
    TiterError,
    TooLittleDisk,
    did_you_mean,
    first_line,
)

# never $DVC_ROOT: in a queued experiment that is the parent repository
ROOT = Path(__file__).resolve().parents[1]
LARGEST_YAML = 100_000
"""Values that a file of settings may hold, each alias counted as what it stands for."""
NO_CHOICE = ("sweep", "hydra")
"""Folders of conf/ that are for Hydra alone."""

RESULT = "result.json"
"""What a finished job outside DVC leaves: stage, run, objective, overrides."""
ERROR = "error.json"
"""What a job that failed in a sweep leaves: error, overrides."""
CODE = ("stages/", "titer/")
"""Where dependencies of a stage are code."""
NOTHING: Mapping[str, str] = MappingProxyType({})

logger = logging.getLogger(__name__)

OUT_OF_MEMORY = (
    "the GPU's memory is full. Lower hardware.micro_batch_tokens (training), eval.batch_size or "
    "eval.score_batch_size (benchmark)"
)

OUT_OF_MAIN_MEMORY = (
    "the system gave no more memory. End other programs or raise the limit (ulimit -v, the "
    "container's), or lower hardware.micro_batch_tokens (training), eval.batch_size or "
    "eval.score_batch_size (benchmark)"
)
NO_MEMORY = ("can't allocate memory", "not enough memory", "failed to map segment")
"""How torch and the system's loader say so: neither raises MemoryError."""
LEAST_MEMORY_BYTES = 5 << 28
"""Main memory below which a stage that loads torch is not begun (1.25 GiB); importing torch and
transformers takes a third of it."""
LEAST_ADDRESS_BYTES = 3 << 30
"""The same under `ulimit -v`. Where addresses are refused, torch 2.13 crashes without a word on
being imported (at 0.9 GB) and OpenBLAS 0.3 tries for ever (at 2.2 GB); 2.6 GB are taken."""


@dataclass(frozen=True)
class Places:
    """Where a stage reads and writes; the names are those of its declaration."""

    reads: SimpleNamespace
    writes: SimpleNamespace
    checkpoints: Path
    """Folder for the state of an unfinished run with these settings and inputs."""
    logs: Path
    """Folder below runs/ for what trackers write, kept when the run ends."""
    choices: dict[str, str]
    """Group -> chosen name."""
    home: Path
    """The project's folder; in a DVC experiment in a temporary tree that of its parent."""


# ---- configuration: params.yaml and conf/ -> Config ------------------------------------------


def groups() -> dict[str, list[str]]:
    """Names of the choices and their valid values, from the folders of conf/."""
    return {
        folder.name: sorted(p.stem for p in folder.glob("*.yaml"))
        for folder in sorted((ROOT / "conf").iterdir())
        if folder.is_dir() and folder.name not in NO_CHOICE
    }


def shown(path: Path) -> Path:
    """A path as messages name it: below the project where it lies there, else whole."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file as plain values, `${}` kept as text.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or is no mapping.
    """
    return _mapping(path, _by_omegaconf)


def _by_omegaconf(content: bytes) -> Any:
    _check_aliases(content)
    return OmegaConf.to_container(OmegaConf.load(io.BytesIO(content)), resolve=False)


class _DatesAsText(SafeConstructor):
    """Keeps 2026-11-01 as it is written, as OmegaConf does."""


_DatesAsText.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)


def _by_dvc(content: bytes) -> Any:
    """As DVC reads it, by YAML 1.2, in which NO and on are text."""
    reader = YAML(typ="safe", pure=True)  # libyaml ends the process where nesting is too deep
    reader.Constructor = _DatesAsText
    return reader.load(content) or {}


def as_dvc_reads(path: Path) -> dict[str, Any]:
    """A YAML file as DVC reads it, or ConfigError."""
    return _mapping(path, _by_dvc)


def _mapping(path: Path, parse: Callable[[bytes], Any]) -> dict[str, Any]:
    """What a YAML file holds, or ConfigError."""
    name = shown(path)
    try:
        value = parse(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read: {error.strerror}") from None
    except Exception as error:
        # each parser raises a dozen classes for one cause: the text is not the YAML we need
        text = " ".join(str(error).split())
        raise ConfigError(f"{name}: not readable as YAML: {text[:300]}") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{name}: holds a {type(value).__name__}, expected keys and values")
    return {str(key): item for key, item in value.items()}


def _check_aliases(content: bytes) -> None:
    """Refuse YAML whose aliases, which OmegaConf copies, would become more than memory holds.

    Raises:
        ValueError: with how many values it would be.
    """
    sizes: dict[int, int] = {}

    def size(node: Any) -> int:
        if id(node) not in sizes:
            sizes[id(node)] = LARGEST_YAML  # of a node within itself, until it is known
            parts = node.value if isinstance(node.value, list) else []
            flat = (one for part in parts for one in (part if isinstance(part, tuple) else [part]))
            sizes[id(node)] = 1 + sum(map(size, flat))
        return sizes[id(node)]

    events = yaml.parse(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    if not any(isinstance(event, yaml.AliasEvent) for event in events):
        return
    # not by libyaml, whose composer ends the process where nesting is too deep
    root = yaml.compose(content, yaml.SafeLoader)
    if root is not None and size(root) > LARGEST_YAML:
        raise ValueError(f"its aliases make more than {LARGEST_YAML:,} values of it")


def lexicons(folder: Path) -> dict[str, list[str]]:
    """The lexicon of every domain, by name.

    Args:
        folder: conf/domain.
    """
    files_of = sorted(folder.glob("*.yaml"))
    return {path.stem: list(read_yaml(path).get("lexicon") or []) for path in files_of}


def load_params() -> tuple[dict[str, str], dict[str, Any]]:
    """params.yaml as choices and values; every choice checked against conf/.

    Raises:
        ConfigError: an unknown key, or a choice without a file.
    """
    params, options = read_yaml(ROOT / "params.yaml"), groups()
    known = sorted(f.name for f in fields(Config))
    for key in params:
        if key not in known:
            hint = did_you_mean(key, known)
            raise ConfigError(f"params.yaml: unknown key '{key}'{hint}; known: {', '.join(known)}")
    for group, names in options.items():
        named = params.get(group)
        if named not in names:
            raise ConfigError(
                f"params.yaml: {group}: {named!r} has no file conf/{group}/{named}.yaml; "
                f"choose one of {', '.join(names)}{did_you_mean(named, names)}"
            )
    choices = {group: str(params[group]) for group in options}
    return choices, {key: value for key, value in params.items() if key not in options}


def chosen() -> tuple[dict[str, str], Config]:
    """Choices and configuration of params.yaml.

    Raises:
        ConfigError: the first mistake in it or in a chosen file of conf/.
    """
    choices, values = load_params()
    return choices, typed(merge(choices, values))


def overridden(overrides: Sequence[str]) -> tuple[dict[str, str], Config]:
    """Choices and configuration of params.yaml with `key=value` in Hydra's spelling on top.

    Raises:
        ConfigError: no `=`, an unknown key or choice, or a value outside its range.
    """
    choices, values = load_params()
    options, own = groups(), []
    for override in overrides:
        key, sign, value = override.partition("=")
        if not sign:
            raise ConfigError(f"{override!r}: not a setting. Write key=value")
        if key in options:
            if value not in options[key]:
                raise ConfigError(
                    f"{override}: choose one of {', '.join(options[key])}"
                    f"{did_you_mean(value, options[key])}"
                )
            choices[key] = value
        else:
            own.append(override)
    merged = merge(choices, values)
    try:
        merged = cast(DictConfig, OmegaConf.merge(merged, OmegaConf.from_dotlist(own)))
    except OmegaConfBaseException as error:
        raise ConfigError(f"{' '.join(own)}: {_merge_message(error)}") from None
    except yaml.YAMLError:
        raise ConfigError(f"{' '.join(own)}: a value is not readable as YAML") from None
    return choices, typed(merged)


def merge(choices: Mapping[str, str], values: Mapping[str, Any]) -> DictConfig:
    """Schema, then one file after the other, so that an error names the file it is in.

    Raises:
        ConfigError: an unknown key, a value of the wrong type, `${}` or a `defaults:` list.
    """
    return _merged(of_choices(choices), {"params.yaml": dict(values)})


def of_choices(choices: Mapping[str, str]) -> DictConfig:
    """Schema and the chosen files of conf/, without params.yaml; raises as `merge`."""
    return _merged(OmegaConf.structured(Config), _files(choices))


def _files(choices: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """What each chosen file of conf/ holds, below the name of its group."""
    return {
        f"conf/{group}/{name}.yaml": {group: read_yaml(ROOT / "conf" / group / f"{name}.yaml")}
        for group, name in choices.items()
    }


def _merged(onto: Any, parts: Mapping[str, dict[str, Any]]) -> DictConfig:
    """Parts by the file that they come from on top of one another; `onto` stays as it is."""
    merged = onto
    for file, part in parts.items():
        _refuse_hidden(file, part)
        for key, value in unquoted(part, Config):
            raise ConfigError(f"{file}: {key}: {value} is no text; write it in quotes")
        try:
            merged = OmegaConf.merge(merged, part)
        except OmegaConfBaseException as error:
            raise ConfigError(f"{file}: {_merge_message(error)}") from None
        except OverflowError as error:
            raise ConfigError(f"{file}: a number beyond what fits: {error}") from None
    return cast(DictConfig, merged)


def _refuse_hidden(file: str, part: Mapping[str, Any]) -> None:
    if "${" in json.dumps(part, default=str):
        raise ConfigError(f"{file}: no ${{...}} here; DVC could not see what it changes")
    if any(isinstance(v, dict) and "defaults" in v for v in part.values()):
        raise ConfigError(f"{file}: no defaults: here; DVC could not see what they change")


def unquoted(value: Any, kind: Any, key: str = "") -> Iterator[tuple[str, object]]:
    """Key and value where a file holds a number or a truth value and the schema a text.

    YAML 1.1 reads an unquoted NO (nitric oxide) as false, from which OmegaConf makes the text
    'False'; DVC, by YAML 1.2, goes on seeing 'NO'.

    Args:
        kind: the type in the schema.
        key: of the value, for messages.
    """
    of = get_args(kind)
    if is_dataclass(kind) and isinstance(value, dict):
        kinds = get_type_hints(kind)
        for name in kinds.keys() & value.keys():
            yield from unquoted(value[name], kinds[name], f"{key}.{name}" if key else name)
    elif isinstance(value, list) and of:
        for item in value:
            yield from unquoted(item, of[0], key)
    elif isinstance(value, dict) and of:
        for name, item in value.items():
            yield from unquoted(item, of[-1], f"{key}.{name}")
    elif type(value) in (bool, int, float) and (kind is str or str in of) and type(value) not in of:
        yield key, value


def _merge_message(error: OmegaConfBaseException) -> str:
    kind = error.object_type
    names = [f.name for f in fields(kind)] if is_dataclass(kind) else []
    hint = "" if error.key in names else did_you_mean(error.key, names)
    text = str(error.msg or first_line(error)).splitlines()[0]
    return f"{error.full_key}: {text}{hint}"


def typed(merged: DictConfig) -> Config:
    """The configuration as dataclasses, range checks run.

    Raises:
        ConfigError: a key without a value, or a value outside its range.
    """
    missing = sorted(OmegaConf.missing_keys(merged))
    if missing:
        raise ConfigError(f"no value for {', '.join(missing)}")
    try:
        return cast(Config, OmegaConf.to_object(merged))
    except OmegaConfBaseException as error:
        raise ConfigError(first_line(error)) from None


def check_all() -> str:
    """Validate params.yaml and every file of conf/ in turn.

    Returns:
        One line with the choices.
    Raises:
        ConfigError: the first mistake.
    """
    choices, values = load_params()
    merged = merge(choices, values)
    typed(merged)
    for group, names in groups().items():
        others = of_choices({other: name for other, name in choices.items() if other != group})
        for name in names:
            if name != choices[group]:
                typed(_merged(others, _files({group: name}) | {"params.yaml": dict(values)}))
    for path in sorted((ROOT / "conf" / "sweep").glob("*.yaml")):
        _check_sweep(path, merged)
    return "configuration ok: " + ", ".join(f"{g}={n}" for g, n in sorted(choices.items()))


def _check_sweep(path: Path, merged: DictConfig) -> None:
    """A sweep may only vary keys that exist, over values that they take."""
    where, varied = f"conf/sweep/{path.name}", searched(path)
    if not re.search(r"^# @package _global_\s*$", path.read_text(encoding="utf-8"), re.MULTILINE):
        raise ConfigError(f"{where}: without the line '# @package _global_' Hydra overlooks it")
    for override in _parsed([f"{key}={value}" for key, value in varied.items()], where):
        check_override(override, merged, where)


def searched(path: Path) -> dict[str, Any]:
    """What a search file varies: key -> values in Hydra's spelling.

    Raises:
        ConfigError: it varies nothing.
    """
    found: Any = read_yaml(path)
    place: list[str] = []
    for part in ("hydra", "sweeper", "params"):
        place.append(part)
        found = found.get(part, {})
        if not isinstance(found, dict):
            what = "nothing" if found is None else f"a {type(found).__name__}"
            raise ConfigError(
                f"conf/sweep/{path.name}: {'.'.join(place)} holds {what}, expected keys and "
                "values. Fill it, or remove the line"
            )
    return {str(key): value for key, value in found.items()}


# ---- the command line -------------------------------------------------------------------------


def check_words(words: Sequence[str], declared: Any) -> None:
    """Refuse in one line what a stage's command sets wrongly; Hydra's messages have several.

    Args:
        words: the command's, without the module's name.
        declared: of the stage. A sweep over what it does not read would train one model N times.

    Raises:
        ConfigError: an unknown key, choice or search, a value of the wrong type, or a sweep over
            a key that the stage does not read.
    """
    overrides = [word for word in words if "=" in word and not word.startswith("-")]
    if not overrides:
        return
    is_multirun = not {"--multirun", "-m"}.isdisjoint(words)
    merged = merge(*load_params())
    varied: list[str] = []
    for override in _parsed(overrides, "the command"):
        if override.key_or_group == "sweep":
            varied += searched(_search_file(str(override.value()), is_multirun=is_multirun))
        else:
            check_override(override, merged, "the command")
            varied += [override.key_or_group] if override.is_sweep_override() else []
    used, options = (*declared.uses, *declared.untracked), groups()
    for key in varied:
        if key not in options and not key.startswith("hydra") and not _covers(used, key):
            raise ConfigError(
                f"{key}: {declared.name} does not read it, so that every job would be the same. "
                "Vary what dvc.yaml lists as its params"
            )


def _search_file(name: str, *, is_multirun: bool) -> Path:
    names = sorted(path.stem for path in (ROOT / "conf" / "sweep").glob("*.yaml"))
    if name not in names:
        raise ConfigError(
            f"sweep={name}: no file conf/sweep/{name}.yaml; choose one of {', '.join(names)}"
            f"{did_you_mean(name, names)}"
        )
    if not is_multirun:
        raise ConfigError(f"sweep={name}: a search needs --multirun before it")
    return ROOT / "conf" / "sweep" / f"{name}.yaml"


def _covers(used: Iterable[str], key: str) -> bool:
    """Whether a key is one of those used, part of one, or holds one."""
    return any(f"{key}.".startswith(f"{one}.") or one.startswith(f"{key}.") for one in used)


def _parsed(overrides: Sequence[str], where: str) -> list[Override]:
    """Overrides as Hydra reads them."""
    found, parser = [], OverridesParser.create()
    for text in overrides:
        try:
            found.append(parser.parse_override(text))
        except HydraException as error:
            said = str(error.__cause__ or error).splitlines()[0]
            raise ConfigError(f"{where}: {text}: not as Hydra writes an override: {said}") from None
    return found


def check_override(override: Override, merged: DictConfig, where: str) -> None:
    """Refuse a key, a choice or a value that the configuration does not take.

    Values of a sweep that cannot be listed, such as an interval, are left to the jobs, and so are
    Hydra's own settings and overrides that add or delete.

    Raises:
        ConfigError: the key is unknown, or a value does not fit it.
    """
    key, options = override.key_or_group, groups()
    if key.startswith("hydra") or override.is_add() or override.is_delete():
        return
    if key not in options:
        _check_key(key, merged, where)
    for value in _each_value(override):
        if key in options:
            if value not in options[key]:
                raise ConfigError(
                    f"{where}: {key}={value}: choose one of {', '.join(options[key])}"
                    f"{did_you_mean(str(value), options[key])}"
                )
            continue
        try:
            OmegaConf.update(merged.copy(), key, value, merge=True)
        except OmegaConfBaseException as error:
            said = str(error.msg or first_line(error)).splitlines()[0]
            raise ConfigError(f"{where}: {key}={value}: {said}") from None


def _check_key(key: str, merged: DictConfig, where: str) -> None:
    node: Any = merged
    for part in key.split("."):
        if not isinstance(node, DictConfig) or part not in node:
            known = [str(one) for one in node] if isinstance(node, DictConfig) else []
            raise ConfigError(f"{where}: sets the unknown key '{key}'{did_you_mean(part, known)}")
        node = node[part]


def _each_value(override: Override) -> list[Any]:
    """The values that an override stands for; none where they cannot be listed."""
    if not override.is_sweep_override():
        return [override.value()]
    if not override.is_discrete_sweep():
        return []
    parser, key = OverridesParser.create(), override.key_or_group
    return [parser.parse_override(f"{key}={v}").value() for v in override.sweep_string_iterator()]


def narrow(config: Config, uses: Sequence[str]) -> SimpleNamespace:
    """Only the declared keys: reading another one is an AttributeError, never a stale result."""
    view = SimpleNamespace()
    for key in uses:
        node, source = view, config
        *parents, last = key.split(".")
        for part in parents:
            source = getattr(source, part)
            node = vars(node).setdefault(part, SimpleNamespace())
        setattr(node, last, getattr(source, last))
    return view


# ---- what DVC knows ---------------------------------------------------------------------------


def dvc_stages(file: str) -> dict[str, Any]:
    """The stages of dvc.yaml or dvc.lock, {} where the file is absent."""
    path = ROOT / file
    stages: dict[str, Any] | None = as_dvc_reads(path).get("stages") if path.exists() else None
    return stages or {}


def out_paths(stage: Mapping[str, Any]) -> list[str]:
    """Paths of a stage's outs, metrics and plots as dvc.yaml spells them."""
    entries = [entry for part in ("outs", "metrics", "plots") for entry in stage.get(part, [])]
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def producer(path: str, outs: Sequence[str]) -> str | None:
    """The out that a path is or lies in: data/papers/examples -> data/papers."""
    return next((out for out in outs if Path(path).is_relative_to(out)), None)


def declaration(name: str) -> tuple[dict[str, str], dict[str, str]]:
    """What a stage reads and writes, name -> path, as its module declares it."""
    declared = _declared(name)
    return declared.reads, declared.writes


def _declared(name: str) -> Any:
    return getattr(importlib.import_module(f"stages.{name}"), name).declared


def upstream(name: str, stages: Mapping[str, Any]) -> list[str]:
    """Stages, nearest first, whose outs this stage reads, directly or through others.

    Args:
        stages: of dvc.yaml.
    """
    made_by = {out: stage for stage, body in stages.items() for out in out_paths(body)}
    found: list[str] = []
    todo = [name]
    while todo:
        for dependency in stages[todo.pop(0)].get("deps", []):
            out = producer(str(dependency), list(made_by))
            if out and made_by[out] not in found:
                found.append(made_by[out])
                todo.append(made_by[out])
    return found


def check_inputs(now: Mapping[str, Any], name: str, choices: Mapping[str, str]) -> None:
    """Refuse a run outside DVC whose settings are not those its inputs were made with.

    Args:
        now: the typed configuration as plain values.
        choices: group -> chosen name, for the message.
    Raises:
        ConfigError: an input was never made, or made with another setting.
    """
    lock = dvc_stages("dvc.lock")
    for made_by in upstream(name, dvc_stages("dvc.yaml")):
        if made_by not in lock:
            raise ConfigError(
                f"{name} reads outputs of {made_by}, which has not run yet: dvc repro {made_by}"
            )
        for file, keys in lock[made_by].get("params", {}).items():
            group = file.split("/")[1] if file.startswith("conf/") else None
            for key, was in keys.items():
                asked = _lookup(now[group] if group else now, key)
                if asked == was:
                    continue
                named = choices.get(group or "")
                if group and named and Path(file).stem != named:
                    key, was, asked = group, Path(file).stem, named
                spelled = f"{group}.{key}" if group and group != key else key
                raise ConfigError(_contradiction(name, made_by, spelled, was, asked))


def _lookup(node: Any, key: str) -> Any:
    for part in key.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


def _contradiction(name: str, made_by: str, key: str, was: Any, asked: Any) -> str:
    if isinstance(was, dict) and isinstance(asked, dict):
        differing = sorted(k for k in {*was, *asked} if was.get(k) != asked.get(k))
        key, was, asked = f"{key}.{differing[0]}", was.get(differing[0]), asked.get(differing[0])
    return (
        f"{name} reads outputs of {made_by}, made with {key}={was}, but this run asks for {asked}. "
        f"Run the pipeline: dvc exp run -S {key}=... or dvc repro {made_by}"
    )


def plain(config: Config) -> dict[str, Any]:
    """The configuration as JSON values, the way dvc.lock holds it."""
    container = OmegaConf.to_container(OmegaConf.structured(config), enum_to_str=True)
    return {str(k): v for k, v in container.items()} if isinstance(container, dict) else {}


def fingerprint(settings: Mapping[str, Any], reads: Sequence[str], code: Sequence[Path]) -> str:
    """Names a run by its settings, the content of its inputs and its code.

    dvc.lock knows the content of what other stages made; it is written stage by stage, so that is
    current when this runs.
    """
    lock = dvc_stages("dvc.lock")
    made = {out["path"]: out.get("md5") for s in lock.values() for out in s.get("outs", [])}
    inputs = [(p, made.get(producer(p, list(made)) or "") or _content(ROOT / p)) for p in reads]
    text = files.dump_json([settings, inputs, [files.sha256_file(path) for path in code]])
    return files.sha256_text(text)[:16]


def _content(path: Path) -> str:
    """Of an input that no stage makes."""
    return files.sha256_tree(path) if path.is_dir() else files.sha256_file(path)


# ---- the stage --------------------------------------------------------------------------------


def stage(
    *,
    uses: Sequence[str],
    reads: Mapping[str, str],
    writes: Mapping[str, str],
    untracked: Sequence[str] = (),
    untracked_reads: Mapping[str, str] = NOTHING,
    least_memory_bytes: int = LEAST_MEMORY_BYTES,
    least_address_bytes: int = LEAST_ADDRESS_BYTES,
) -> Callable[[Callable[[Any, Places], float | None]], Any]:
    """Declare a stage: the keys it uses, what it reads and what it writes, as in dvc.yaml.

    The decorated function stays a plain function of (cfg, at) and gains `.main()`, which runs it
    as a Hydra application. A test compares the declaration with dvc.yaml.

    Args:
        untracked: keys that cannot change a result and that dvc.yaml does not track.
        untracked_reads: likewise inputs, which only the run record names.
        least_memory_bytes: main memory below which it is not begun.
        least_address_bytes: addresses within `ulimit -v`, likewise.
    """

    def declare(function: Callable[[Any, Places], float | None]) -> Any:
        name = function.__name__
        declared = SimpleNamespace(
            name=name, uses=tuple(uses), untracked=tuple(untracked), reads=dict(reads),
            writes=dict(writes), untracked_reads=dict(untracked_reads),
            least_memory_bytes=least_memory_bytes, least_address_bytes=least_address_bytes,
        )  # fmt: skip
        function.declared = declared  # type: ignore[attr-defined]
        job = functools.partial(_job, function, declared)
        function.main = functools.partial(_main, job, declared)  # type: ignore[attr-defined]
        return function

    return declare


def _main(job: Callable[[DictConfig], float | None], declared: Any) -> None:
    """Start the Hydra application; our one-line errors come before Hydra's long ones."""
    sys.stderr.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        choices, values = load_params()
        typed(merge(choices, values))
        check_words(sys.argv[1:], declared)
    except TiterError as error:
        raise _exit(error) from None
    store = ConfigStore.instance()
    store.store(name="schema", node=Config)
    store.store(name="config", node=primary(choices, values, declared.name))
    # an absolute path: a relative one would be looked up as a package
    try:
        hydra.main(version_base="1.3", config_path=str(ROOT / "conf"), config_name="config")(job)()
    except KeyboardInterrupt:  # before the job, or of a launcher that waits for others
        raise SystemExit(signals.interrupted()) from None


def primary(choices: Mapping[str, str], values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Hydra's primary configuration: schema, chosen files, values, then its own folders."""
    # to the microsecond: two runs begun in one second must not share a folder
    base, now = f"{ROOT}/runs/{name}/", datetime.now().strftime("%Y-%m-%d_%H-%M-%S_%f")
    own: dict[str, Any] = {
        "job": {"name": name, "chdir": False},
        "run": {"dir": base + now},
        "sweep": {"dir": base + "sweep_" + now, "subdir": "${hydra.job.num}"},
    }
    quiet: list[dict[str, str]] = []
    if by_dvc():  # DVC keeps the record: Hydra leaves no files
        own |= {"output_subdir": None, "run": {"dir": "."}}
        quiet = [{"override hydra/job_logging": "stdout"}]
    groups_of = [{group: chosen} for group, chosen in choices.items()]
    defaults = ["schema", *groups_of, {"optional sweep": None}, "_self_", *quiet]
    return {"defaults": defaults, "hydra": own, **values}


def by_dvc() -> bool:
    """Whether DVC started this process."""
    return bool(os.environ.get("DVC_STAGE"))


def _exit(error: TiterError) -> SystemExit:
    signals.end_without_a_word()
    line = f"error: {error}"
    if bars := sys.modules.get("tqdm.std"):  # a bar may stand half drawn on the line
        bars.tqdm.write(line, file=sys.stderr)
    else:
        print(line, file=sys.stderr)
    return SystemExit(error.exit_code)


def _job(function: Callable[[Any, Places], float | None], declared: Any, raw: DictConfig) -> Any:
    logging.captureWarnings(True)
    hydra_config = HydraConfig.get()
    share_cores(hydra_config)
    is_here = hydra_config.mode != RunMode.MULTIRUN or "basic" in hydra_config.launcher["_target_"]
    if is_here:  # other launchers' jobs have signals of their own
        signals.stop_in_one_line()
    if by_dvc():
        signals.follow_parent(signal.SIGTERM)
    is_ours = False
    try:
        with contextlib.ExitStack() as held:
            if not by_dvc():
                held.enter_context(sole_writer(Path(hydra_config.runtime.output_dir)))
                is_ours = True
            return _checked(function, declared, raw, hydra_config)
    except Exception as error:  # safetensors' own derives from no narrower one
        told = in_one_line(error, declared.name)
        if told is None:
            raise
    # past the block: an error that remembers its frames would hold their model's memory
    told.__cause__ = told.__context__ = told.__traceback__ = None
    is_over = is_here and isinstance(told, Stopped)  # told to stop: no further job begins
    if hydra_config.mode == RunMode.MULTIRUN and is_ours and not is_over:
        with contextlib.suppress(TiterError):  # a full disk may not take this either
            _record(hydra_config, ERROR, {"error": str(told)})
        gc.collect()  # a model and its hooks hold one another, on the GPU that the next trial needs
        if not files.is_full(told) and not isinstance(told, TooLittleDisk):
            # a sweeper counts it and goes on; of this kind of error Hydra shows the line only
            raise CompactHydraException(f"error: {told}")
    raise _exit(told)


def _checked(function: Callable[[Any, Places], float | None], declared: Any, raw: DictConfig,
             hydra_config: Any) -> float | None:  # fmt: skip
    config = typed(raw)
    check_memory(declared.least_memory_bytes, declared.least_address_bytes)
    if not by_dvc():
        of_choices({group: hydra_config.runtime.choices[group] for group in groups()})  # as written
        check_inputs(plain(config), declared.name, dict(hydra_config.runtime.choices))
    return _run(function, declared, config, hydra_config)


def in_one_line(error: Exception, name: str) -> TiterError | None:
    """An error of a stage as one of ours: itself, too little disk or memory; null where a bug."""
    if isinstance(error, TiterError):
        return error
    if files.is_full(error):
        return TooLittleDisk(f"{name}: {files.NO_ROOM} and run the same command again")
    cause = without_memory(error)
    return None if cause is None else OutOfMemory(f"{name}: {cause}")


def check_memory(least_bytes: int, least_address_bytes: int) -> None:
    """Refuse to begin where libraries would crash or hang on being loaded.

    Raises:
        OutOfMemory: fewer bytes of main memory, or of addresses, are left than that.
    """
    found = (
        ("addresses are left by ulimit -v", main_memory.addresses_left_bytes(),
         least_address_bytes, "Raise that limit"),
        ("main memory are left by the machine and its container", main_memory.available_bytes(),
         least_bytes, "End other programs, or raise the container's limit"),
    )  # fmt: skip
    for what, left, least, cure in found:
        if left < least:
            raise OutOfMemory(
                f"{left / 1e9:.2f} GB of {what}, {least / 1e9:.2f} GB is the least. {cure}"
            )


def without_memory(error: Exception) -> str | None:
    """What to tell of an error that means too little memory; null of any other error."""
    if type(error).__name__ == "OutOfMemoryError":  # torch's, which is not imported here
        return OUT_OF_MEMORY
    refused = isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM
    if refused or any(words in str(error) for words in NO_MEMORY):
        return OUT_OF_MAIN_MEMORY
    return None


def _run(function: Callable[[Any, Places], float | None], declared: Any, config: Config,
         hydra_config: Any) -> float | None:  # fmt: skip
    started = time.monotonic()
    at = places(declared, config, hydra_config)
    folder = Path(hydra_config.runtime.output_dir)
    done = None if by_dvc() else earlier(folder, at)
    if done is not None:
        _forget(at.checkpoints)  # of a run that was killed after its result was written
        logger.info("%s: finished before, not run again", shown(folder))
        objective: float | None = done["objective"]
        return objective
    with only_one(at.checkpoints):
        with whole_or_none(at.writes):
            value = function(narrow(config, (*declared.uses, *declared.untracked)), at)
        if not by_dvc():
            # before the lock goes: without either, what is written looks like another run's
            row = {"stage": declared.name, "run": at.checkpoints.name, "objective": value}
            _record(hydra_config, RESULT, row)
            (folder / ERROR).unlink(missing_ok=True)
            logger.info("written to %s", shown(folder))
        _forget(at.checkpoints)
    logger.info("%s done in %.0f s", declared.name, time.monotonic() - started)
    return value


def _forget(checkpoints: Path) -> None:
    """Remove what an unfinished run would go on from, and the mark that it began."""
    shutil.rmtree(checkpoints, ignore_errors=True)
    _lock(checkpoints).unlink(missing_ok=True)


@contextlib.contextmanager
def whole_or_none(writes: SimpleNamespace) -> Iterator[None]:
    """Take away what a stage wrote before it failed, where DVC had removed the outs before it.

    Otherwise answers of this run could stand beside no record of it. A job of a sweep has a folder
    of its own, in which the next attempt goes on. A failed gate comes after everything was written,
    and the report that explains it stays.
    """
    try:
        yield
    except GateFailed:
        raise
    except BaseException:
        if by_dvc():
            _remove(vars(writes).values())
        raise


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _record(hydra_config: Any, name: str, row: Mapping[str, Any]) -> None:
    """Leave a file in a job's folder, with the overrides that made the job."""
    overrides = list(hydra_config.overrides.task)
    files.write_json(Path(hydra_config.runtime.output_dir) / name, {**row, "overrides": overrides})


def earlier(folder: Path, at: Places) -> dict[str, Any] | None:
    """The result that a job of a killed sweep left here, or null where there is work to do.

    The same command with the same `hydra.sweep.dir` gives a grid the same jobs, and a study with a
    seeded sampler the same trials: those that finished answer at once, the one that was cut goes on
    from its checkpoint.

    Raises:
        ConfigError: a run with other settings or inputs wrote here.
    """
    if (folder / RESULT).exists():
        row = files.read_json_object(folder / RESULT)
        if row.get("run") == at.checkpoints.name and "objective" in row:
            return row
    elif _lock(at.checkpoints).exists():  # such a run began here and did not end
        return None
    for target in vars(at.writes).values():
        if target.exists():
            raise ConfigError(
                f"{shown(target)}: a run with other settings or inputs wrote here; start again"
            )
    return None


def share_cores(hydra_config: Any) -> None:
    """Give each of several jobs on one machine its part of the cores.

    Two jobs of two threads each on two cores wait for one another at every step and can fall to a
    fortieth of their speed. OMP_NUM_THREADS set by the user stays.
    """
    if hydra_config.mode != RunMode.MULTIRUN:
        return
    launcher, cores = hydra_config.launcher, os.cpu_count() or 1
    if "joblib" in launcher["_target_"]:
        at_once = launcher.n_jobs if launcher.n_jobs > 0 else cores
        threads = cores // at_once
    elif "submitit" in launcher["_target_"]:
        threads = launcher.cpus_per_task or 1
    else:
        return
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, threads)))


def _lock(checkpoints: Path) -> Path:
    return Path(f"{checkpoints}.lock")


@contextlib.contextmanager
def only_one(checkpoints: Path) -> Iterator[None]:
    """Hold the lock of a run with these settings and inputs.

    When dvc dies its child may live on, and two queued experiments may ask for the same training:
    a second writer would destroy the first one's checkpoints.

    Raises:
        ConfigError: another process holds it.
    """
    busy = (
        f"another process runs {checkpoints.parent.name} with the same settings and inputs. Wait "
        "until it ends, or end it"
    )
    with _holding(_lock(checkpoints), busy):
        yield


@contextlib.contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold the lock of a run's folder, whatever the settings.

    Two commands with other settings given one folder would each write a part of what is found
    there, with exit code 0.

    Raises:
        ConfigError: another process holds it.
    """
    lock = folder / ".lock"
    with _holding(lock, f"another run writes into {shown(folder)}; start again in another folder"):
        yield
        lock.unlink(missing_ok=True)


@contextlib.contextmanager
def _holding(lock: Path, busy: str) -> Iterator[None]:
    """Hold a lock file; ConfigError with these words where another process does."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(busy) from None
        yield


def mark_of(declared: Any, config: Config, choices: Mapping[str, str]) -> str:
    """The name of a stage's run with this configuration and the present inputs and code."""
    listed = dvc_stages("dvc.yaml").get(declared.name, {}).get("deps", [])
    code = [path for name in listed if name.startswith(CODE) for path in _modules(ROOT / name)]
    reads = [_substitute(path, choices) for path in declared.reads.values()]
    return fingerprint(_values(narrow(config, declared.uses)), reads, code)


def present_marks() -> dict[str, str]:
    """Stage -> name of its run inside DVC as things stand.

    Without those that lack an input, and those of the user's own that no module of stages/ runs.
    """
    choices, config = chosen()
    found: dict[str, str] = {}
    for name in dvc_stages("dvc.yaml"):
        if not (ROOT / "stages" / f"{name}.py").is_file():
            continue
        with contextlib.suppress(FileNotFoundError):  # what it reads was not made yet
            found[name] = mark_of(_declared(name), config, choices)
    return found


def places(declared: Any, config: Config, hydra_config: Any) -> Places:
    """Paths of a stage's inputs and outputs for this run.

    Raises:
        ConfigError: an input is absent.
    """
    choices = dict(hydra_config.runtime.choices)
    out = ROOT if by_dvc() else Path(hydra_config.runtime.output_dir)
    read = declared.reads | declared.untracked_reads
    where = {k: ROOT / _substitute(path, choices) for k, path in read.items()}
    for path in where.values():
        if not path.exists():
            raise ConfigError(f"{shown(path)}: absent, and {declared.name} reads it")
    targets = {k: out / _substitute(path, choices) for k, path in declared.writes.items()}
    for target in targets.values():
        target.parent.mkdir(parents=True, exist_ok=True)
    home = Path(os.environ.get("DVC_ROOT", ROOT)) if by_dvc() else ROOT
    mark = mark_of(declared, config, choices)
    checkpoints = (home if by_dvc() else out) / ".checkpoints" / declared.name / mark
    logs = home / "runs" / declared.name / "by_dvc" / mark if by_dvc() else out / "logs"
    return Places(
        reads=SimpleNamespace(**where),
        writes=SimpleNamespace(**targets),
        checkpoints=checkpoints,
        logs=logs,
        choices={group: choices[group] for group in groups()},
        home=home,
    )


def _modules(path: Path) -> list[Path]:
    """A module, or all of a package."""
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def _substitute(path: str, choices: Mapping[str, str]) -> str:
    return string.Template(path).substitute(choices)


def _values(node: Any) -> Any:
    """A view as JSON values."""
    if isinstance(node, SimpleNamespace):
        return {key: _values(value) for key, value in vars(node).items()}
    if is_dataclass(node) and not isinstance(node, type):
        return {f.name: _values(getattr(node, f.name)) for f in fields(node)}
    return [_values(item) for item in node] if isinstance(node, list) else node


def dvc_override(override: str, choices: Mapping[str, str]) -> str:
    """A Hydra override in DVC's spelling: model.x=v becomes conf/model/<name>.yaml:x=v."""
    key, _, value = override.lstrip("+~").partition("=")
    group, _, rest = key.partition(".")
    if group in choices and rest:
        return f"conf/{group}/{choices[group]}.yaml:{rest}={value}"
    return re.sub(r"^[+~]+", "", override)

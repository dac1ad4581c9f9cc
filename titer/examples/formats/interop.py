"""Data sets that other trainers describe: LLaMA-Factory's dataset_info.json, Axolotl's `datasets`.

Invariant: a description is followed to the letter or refused in one line; none is guessed. Nothing
is downloaded. Columns and tags as in LLaMA-Factory 0.9.5 (data/parser.py, data/converter.py) and in
Axolotl's documentation of dataset formats.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from titer import files
from titer.errors import FormatError
from titer.examples.formats import FORMATS
from titer.examples.formats.reading import Reading

DATASET_INFO = "dataset_info.json"
AXOLOTL_SUFFIXES = (".yml", ".yaml")

HUBS = ("hf_hub_url", "ms_hub_url", "om_hub_url", "script_url", "cloud_file_name")
COLUMNS = {"prompt": "instruction", "query": "input", "response": "output"}
"""LLaMA-Factory's names of Alpaca's keys, with the columns where none are given."""
ALPACA_KEYS = {**COLUMNS, "system": "system", "history": "history"}
TAGS = {
    "role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt",
    "system_tag": "system", "observation_tag": "observation", "function_tag": "function_call",
}  # fmt: skip
SPEAKERS = {"user_tag": "human", "assistant_tag": "gpt", "system_tag": "system"}

AXOLOTL_TYPES = {
    "alpaca": {"instruction": "instruction", "input": "input", "output": "output"},
    "alpaca_chat.load_qa": {"instruction": "question", "output": "answer"},
    "gpteacher": {"instruction": "instruction", "input": "input", "output": "response"},
}
"""Axolotl's types of one turn, with the columns that they read."""
AXOLOTL_FIELDS = {
    "instruction": "field_instruction", "input": "field_input", "output": "field_output",
    "system": "field_system",
}  # fmt: skip
AXOLOTL_MESSAGE_FIELDS = (
    "field_messages", "field_system", "message_field_role", "message_field_content",
)  # fmt: skip
AXOLOTL_ROLES = {"human": ("human", "user"), "gpt": ("gpt", "assistant"), "system": ("system",)}

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Description:
    """One data set on this disk."""

    name: str
    path: Path
    form: str
    """alpaca or sharegpt."""
    adapt: Callable[[Row], Row]
    """Gives a row the keys of the form."""


def reading(description: Description) -> Reading:
    """A pass over the rows of a data set.

    Raises:
        FormatError: the file is missing.
    """
    return Reading(description.path, FORMATS[description.form], adapt=description.adapt)


def described(folder: Path) -> dict[Path, Description]:
    """Data sets on disk of every dataset_info.json below a folder, by their whole path.

    Raises:
        FormatError: a description that is not understood, of a file that is there.
    """
    found: dict[Path, Description] = {}
    for info in sorted(folder.rglob(DATASET_INFO)):
        if files.is_hidden(info, folder):
            continue
        for name, entry in _entries(info).items():
            if not isinstance(entry, dict) or not _is_file(info.parent / _file_name(entry)):
                continue
            one = _llama_factory(info, name, entry)
            found[one.path.resolve()] = one
    return found


def find(path: Path, name: str | None) -> Description:
    """The data set of a description, by its name; where there is one only, without.

    Args:
        path: dataset_info.json, or an Axolotl configuration (YAML).
        name: of the data set; for Axolotl its `path`.

    Raises:
        FormatError: no such data set, or it is not read.
    """
    if path.suffix in AXOLOTL_SUFFIXES:
        entries = {str(one.get("path")): one for one in _axolotl_entries(path)}
        make: Callable[..., Description] = _axolotl
    else:
        entries, make = _entries(path), _llama_factory
    if name is None and len(entries) == 1:
        (name,) = entries
    if name not in entries:
        given = "no name given" if name is None else f"{name!r} is not in it"
        raise FormatError(f"{path}:1: {given}. Allowed: --dataset {' | '.join(sorted(entries))}")
    return make(path, name, entries[name])


def _entries(info: Path) -> dict[str, Any]:
    content = files.read_json(info)
    if not isinstance(content, dict) or not content:
        raise FormatError(f"{info}:1: no data sets. Allowed: an object of names and descriptions")
    return content


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is longer than any file's
        return False


def _file_name(entry: Mapping[str, Any]) -> str:
    return str(entry.get("file_name", "\0"))


def _llama_factory(info: Path, name: str, entry: Mapping[str, Any]) -> Description:
    at = f"{info}:1: {name}"
    hub = next((key for key in HUBS if key in entry), None)
    if hub or "file_name" not in entry:
        raise FormatError(f"{at}: {hub or 'no file_name'}. Allowed: file_name, a file beside it")
    if entry.get("ranking"):
        raise FormatError(f"{at}: ranking, preferences. Allowed: answers to train on")
    formatting = entry.get("formatting", "alpaca")
    columns = _texts(f"{at}: columns", entry.get("columns"))
    tags = {**TAGS, **_texts(f"{at}: tags", entry.get("tags"))}
    path = info.parent / str(entry["file_name"])
    if formatting == "alpaca":
        # where columns are given, one that is not named is not read
        given = {"prompt": None, **columns} if columns else COLUMNS
        names = {ours: given.get(key) for key, ours in ALPACA_KEYS.items()}
        return Description(name, path, "alpaca", partial(_renamed, names))
    if formatting not in ("sharegpt", "openai"):
        raise FormatError(f"{at}: formatting {formatting!r}. Allowed: alpaca, sharegpt, openai")
    where = columns.get("messages", "conversations")
    roles = {str(tags[tag]): ours for tag, ours in SPEAKERS.items()}
    turn = partial(_turn, roles, tags["role_tag"], tags["content_tag"])
    names = {"conversations": where, "system": columns.get("system")}
    return Description(name, path, "sharegpt", partial(_conversation, names, turn))


def _axolotl_entries(path: Path) -> list[dict[str, Any]]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        text = " ".join(str(error).split())[:200]
        raise FormatError(f"{path}:1: not readable as YAML: {text}") from None
    found = content.get("datasets") if isinstance(content, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise FormatError(
            f"{path}:1: no list of datasets. Allowed: datasets: - path: ... type: ..."
        )
    return found


def _axolotl(config: Path, name: str, entry: Mapping[str, Any]) -> Description:
    at = f"{config}:1: {name}"
    given = entry.get("data_files") or entry.get("path")
    if isinstance(given, list) and len(given) != 1:
        raise FormatError(f"{at}: {len(given)} data_files. Allowed: one")
    path = config.parent / str(given[0] if isinstance(given, list) else given)
    if not _is_file(path):
        raise FormatError(
            f"{at[:200]}: no file {str(path)[:200]}. Allowed: a file; hubs are not asked"
        )
    kind = entry.get("type")
    if isinstance(kind, dict):
        read = {key: kind[key] for key in AXOLOTL_FIELDS.values() if key in kind}
        fields = _texts(f"{at}: type", read)
        names = {ours: fields.get(field, ours) for ours, field in AXOLOTL_FIELDS.items()}
        return Description(name, path, "alpaca", partial(_renamed, names))
    bare = str(kind).partition(":")[0]
    if bare in AXOLOTL_TYPES:
        return Description(name, path, "alpaca", partial(_renamed, AXOLOTL_TYPES[bare]))
    if bare not in ("chat_template", "sharegpt"):
        known = ", ".join((*AXOLOTL_TYPES, "chat_template", "sharegpt", "or a mapping of fields"))
        raise FormatError(f"{at}: type {kind!r}. Allowed: {known}")
    is_old = bare == "sharegpt"
    fields = _texts(at, {key: entry[key] for key in AXOLOTL_MESSAGE_FIELDS if key in entry})
    where = fields.get("field_messages", "conversations" if is_old else "messages")
    keys = {
        "role": fields.get("message_field_role", "from" if is_old else "role"),
        "content": fields.get("message_field_content", "value" if is_old else "content"),
        **_texts(f"{at}: message_property_mappings", entry.get("message_property_mappings")),
    }
    turn = partial(_turn, _axolotl_roles(at, entry.get("roles")), keys["role"], keys["content"])
    names = {"conversations": where, "system": fields.get("field_system")}
    return Description(name, path, "sharegpt", partial(_conversation, names, turn))


def _axolotl_roles(at: str, given: Any) -> dict[str, str]:
    """Who speaks under which name: Axolotl's own names, and those that the description adds."""
    roles = {one: ours for ours, spellings in AXOLOTL_ROLES.items() for one in spellings}
    named = {} if given is None else given
    if not isinstance(named, dict) or not all(isinstance(one, list) for one in named.values()):
        raise FormatError(f"{at}: roles: {given!r:.80}. Allowed: a list of names for each role")
    for ours, spellings in named.items():
        target = {"user": "human", "assistant": "gpt"}.get(ours, ours)
        roles |= {str(one): target for one in spellings}
    return roles


def _texts(at: str, given: Any) -> dict[str, str | None]:
    """A part of a description that names columns, tags or keys; empty where it is left out."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise FormatError(f"{at}: {given!r:.80}. Allowed: a mapping of texts")
    for key, value in given.items():
        if not isinstance(value, str | None):
            raise FormatError(f"{at}: {key}: {value!r:.80}. Allowed: a text")
    return given


def _renamed(names: Mapping[str, str | None], row: Row) -> Row:
    """The row with our keys; a column that the description leaves out keeps its name."""
    taken = {theirs for theirs in names.values() if theirs}
    rest = {key: row[key] for key in row if key not in taken and key not in names}
    ours = {key: row[theirs] for key, theirs in names.items() if theirs and theirs in row}
    return {**rest, **ours}


def _conversation(names: Mapping[str, str | None], turn: Callable[[Any], Any], row: Row) -> Row:
    found = dict(_renamed(names, row))
    turns = found.get("conversations")
    if isinstance(turns, list):
        found["conversations"] = [turn(one) for one in turns]
    return found


def _turn(roles: Mapping[str, str], role: str | None, content: str | None, given: Any) -> Any:
    """A turn as ShareGPT spells it; of an unknown speaker as it is."""
    if not isinstance(given, dict) or role not in given or content not in given:
        return given
    speaker = given[role]
    ours = roles.get(speaker, speaker) if isinstance(speaker, str) else speaker
    return {"from": ours, "value": given[content]}

"""`titer pin <model>`: the commit of a hub model, written into its file."""

import argparse
import re
from typing import Any


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "pin",
        help="write the newest commit of a hub model into conf/model/<model>.yaml",
        description="Ask the hub for the newest commit of a model and write it as `revision` into "
        "conf/model/<model>.yaml, so that every later download is the same. Needs the network, and "
        "HF_TOKEN for gated models. Example: titer pin qwen3_8b",
    )
    parser.add_argument("model", help="name of a file in conf/model, without .yaml")
    parser.set_defaults(run=pin)


def pin(arguments: argparse.Namespace) -> None:
    """Resolve and write the revision.

    Raises:
        ConfigError: no such model file, or not a hub model.
        ModelError: the hub does not answer or does not know the model.
    """
    from titer import files, runner
    from titer.errors import ConfigError, did_you_mean
    from titer.modeling.download import hub_info

    names = runner.groups()["model"]
    if arguments.model not in names:
        hint = did_you_mean(arguments.model, names)
        raise ConfigError(f"no conf/model/{arguments.model}.yaml{hint}; known: {', '.join(names)}")
    path = runner.ROOT / "conf" / "model" / f"{arguments.model}.yaml"
    settings = runner.read_yaml(path)
    if settings.get("source") != "hub":
        raise ConfigError(f"conf/model/{path.name}: source is {settings.get('source')}, not hub")
    commit = str(hub_info(str(settings["repo_id"]), None).sha)
    files.write_text(path, with_revision(path.read_text(encoding="utf-8"), commit))
    print(f"conf/model/{path.name}: revision: {commit}")


def with_revision(text: str, commit: str) -> str:
    """The YAML text with this revision; comments and everything else stay as they are.

    Raises:
        ConfigError: there is no line to write it into.
    """
    from titer.errors import ConfigError

    changed, found = re.subn(
        r"(?m)^revision:(?:[ \t]*[^\s#]+)?", f"revision: {commit}", text, count=1
    )
    if not found:
        raise ConfigError("no key revision at the left margin of the file. Add `revision: null`")
    return changed

"""`titer domain` and `titer domain new`: which domains there are, and the skeleton of another.

A domain is data: conf/domain/<name>.yaml and three folders below data/. Nothing here knows a field.
"""

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the commands."""
    parser = commands.add_parser(
        "domain",
        help="list the domains, or write the skeleton of a new one",
        description="Without a verb: every domain with its title and the size of its benchmark. "
        "Example: titer domain new botany",
    )
    parser.set_defaults(run=show)
    verbs = parser.add_subparsers(dest="verb", metavar="verb")
    text = "write every file that a domain needs, with comments on what to put in"
    verb = verbs.add_parser("new", help=text, description=f"{text}; nothing is overwritten")
    verb.add_argument("name", help="small letters, digits and _, such as botany")
    verb.add_argument(
        "--like",
        default="chemistry",
        metavar="DOMAIN",
        help="whose neutral prose and report phrases are copied to begin with; default: chemistry",
    )
    verb.set_defaults(run=new)


def chosen(name: str | None) -> str:
    """The domain that a command is about: the one named, else that of params.yaml.

    Raises:
        ConfigError: there is no such domain; names the known ones.
    """
    from titer import runner
    from titer.errors import ConfigError, did_you_mean

    known = runner.groups()["domain"]
    if name is not None and name not in known:
        hint = did_you_mean(name, known)
        raise ConfigError(
            f"domain {name!r} has no file conf/domain/{name}.yaml{hint}; known: "
            f"{', '.join(known)}. Another one begins with: titer domain new {name}"
        )
    return name or runner.load_params()[0]["domain"]


def show(arguments: argparse.Namespace) -> None:
    """Print a line per domain; the one that params.yaml chooses is marked.

    Raises:
        FormatError: a lock of a benchmark is not as `titer benchmark lock` writes it.
    """
    from titer import files, runner

    current = runner.load_params()[0]["domain"]
    for name in runner.groups()["domain"]:
        title = runner.read_yaml(runner.ROOT / "conf" / "domain" / f"{name}.yaml").get("title")
        lock = runner.ROOT / "data" / "benchmark" / name / "benchmark.lock.json"
        size = "no lock yet"
        if lock.is_file():
            with files.as_written(lock, f"Run: titer benchmark lock --domain {name}"):
                counts = files.read_json(lock)["counts"]
                size = f"{counts['facts']} facts, {counts['open']} open, {counts['safety']} safety"
        print(f"{'*' if name == current else ' '} {name:<14} {title} ({size})")


def new(arguments: argparse.Namespace) -> None:
    """Write the skeleton and print what was written and what comes next.

    Raises:
        ConfigError: the name is not fit for a file, or a file of the domain is there already.
    """
    from titer import runner
    from titer.cli import skeleton

    like = chosen(arguments.like)
    for path in skeleton.write(runner.ROOT, arguments.name, like=like):
        print(path.relative_to(runner.ROOT))
    print(skeleton.NEXT.format(name=arguments.name))

"""The files of a new domain, each with comments on what to put in.

Invariant: nothing is overwritten; conf/domain/<name>.yaml comes last, since it makes the domain
known.
"""

import re
import uuid
from pathlib import Path
from string import Template

from titer import files
from titer.errors import ConfigError

TEXTS = Path(__file__).with_name("domain_skeleton")
"""One file of text per file of a domain; $name, $title, $canary and $wording are filled in."""
OWN_FOLDERS = ("documents", "generated", "papers", "questions", "training")
EMPTY = ("open.jsonl", "safety.jsonl")
"""JSON lines hold no comments; the card shows a line of each."""

NEXT = """
Next, for {name}:
  fill facts.csv, templates.yaml, open.jsonl, safety.jsonl and the card in data/benchmark/{name}/,
  and the queries and the lexicon in conf/domain/{name}.yaml
  titer benchmark samples --domain {name}
  titer benchmark lock --domain {name}
  pytest tests/evaluation
  dvc exp run -S domain={name}"""


def write(root: Path, name: str, *, like: str) -> list[Path]:
    """Write the skeleton of a domain.

    Args:
        root: of the project.
        name: of the domain.
        like: domain whose prose and report phrases are copied.
    Returns:
        What was written, in order.

    Raises:
        ConfigError: the name is not fit for a file, or something of that name is there.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name == "general":
        raise ConfigError(
            f"domain {name!r}: must begin with a small letter and hold only small letters, digits "
            "and _, and not be 'general'"
        )
    contents = _contents(root, name, like)
    taken = sorted({*_folders(name)} | {"conf/domain/" + name + ".yaml"})
    if there := next((place for place in taken if (root / place).exists()), None):
        raise ConfigError(f"{there}: is there already. Choose another name, or delete it")
    for place, text in contents.items():
        files.write_text(root / place, text)
    return [root / place for place in contents]


def _folders(name: str) -> list[str]:
    return [f"data/{part}/{name}" for part in ("benchmark", "own", "samples")]


def _contents(root: Path, name: str, like: str) -> dict[str, str]:
    """Text by path, relative to the root."""
    benchmark, own, samples = _folders(name)
    phrases = (root / "conf" / "domain" / f"{like}.yaml").read_text(encoding="utf-8")
    words = {
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "canary": f"titer-canary:{uuid.uuid4()}",
        "wording": phrases[phrases.index("\nwording:") + 1 :].rstrip("\n"),
    }

    def filled(file: str) -> str:
        return Template((TEXTS / file).read_text(encoding="utf-8")).substitute(words)

    prose = (root / "data" / "benchmark" / like / "prose.yaml").read_text(encoding="utf-8")
    return {
        **{
            f"{benchmark}/{file}": filled(file)
            for file in ("BENCHMARK_CARD.md", "facts.csv", "templates.yaml")
        },
        **{f"{benchmark}/{file}": "" for file in EMPTY},
        f"{benchmark}/prose.yaml": prose,
        f"{samples}/README.md": filled("samples.md"),
        **{f"{own}/{folder}/.gitkeep": "" for folder in OWN_FOLDERS},
        **{f"{own}/{file}": filled(file) for file in ("excluded.txt", "reviews.csv")},
        f"conf/domain/{name}.yaml": filled("domain.yaml"),
    }

"""data/papers/DATA_CARD.md: what the papers and the examples are, for whoever gets the folder.

Invariant: a pure function of stats.json, so without times; a share that is bad or unknown is
printed like any other, and synthetic papers are named before anything else.
"""

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from types import MappingProxyType
from typing import Any

from titer import files
from titer.config import RECIPES as RECIPE_NAMES
from titer.examples.recipes import RECIPES
from titer.records import is_open_licence

Stats = Mapping[str, Any]

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
"""Upper ends of the size categories of the Hugging Face hub."""

ISO_639_1 = {"eng": "en", "fre": "fr", "ger": "de", "ita": "it", "jpn": "ja", "spa": "es"}
"""Two-letter codes of PubMed's languages; others keep their three letters."""


def render(
    stats: Stats,
    *,
    title: str,
    contents: Mapping[str, str],
    tags: Sequence[str] = (),
    wording: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The card: YAML front matter as on the Hugging Face hub, then Markdown.

    Args:
        stats: content of stats.json.
        title: of the domain.
        contents: every file of the folder with what it holds.
        tags: of the domain.
        wording: phrases of the domain in place of the card's.
    """
    import jinja2

    environment = jinja2.Environment(
        autoescape=False,  # this is Markdown: texts from outside go through `md`
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"md": escape, "n": "{:,}".format}
    source = resources.files("titer.examples").joinpath("templates", "data_card.md.j2")
    template = environment.from_string(source.read_text(encoding="utf-8"))
    shown = template.render(
        front_matter=_front_matter(stats, title, tags),
        title=title,
        stats=stats,
        asked=stats["asked"],
        settings=stats["settings"],
        n_rows=sum(stats["examples"].values()),
        flows=[flow_rows(stats["flow"][name]) for name in ("papers", "examples")],
        licences=licence_rows(stats),
        recipes=recipe_rows(stats),
        lengths=stats["words"].items(),
        planted=stats.get("planted"),
        documents=stats.get("documents"),
        contents=contents,
    )
    return files.reworded(re.sub(r"\n{3,}", "\n\n", shown).rstrip() + "\n", wording)


def escape(text: Any) -> str:
    """A text from outside on one line, without anything that Markdown or HTML would act on."""
    return re.sub(r"([\\|`*<\[])", r"\\\1", " ".join(str(text).split()))


def flow_rows(flow: list[dict[str, Any]]) -> list[tuple[str, int, str]]:
    """Step, number, and what is left out before the next one, with the reasons."""
    return [(one["what"], one["n"], _reasons(one["left_out"])) for one in flow]


def _reasons(left_out: Mapping[str, int]) -> str:
    ordered = sorted(left_out.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in ordered) or "-"


def licence_rows(stats: Stats) -> list[tuple[str, int, int, str]]:
    """Licence, papers, training and validation rows, and whether these may be passed on."""
    papers, rows = stats["paper_licences"], stats["licences"]
    return [
        (name, papers.get(name, 0), rows.get(name, 0), "yes" if is_open_licence(name) else "no")
        for name in sorted({*papers, *rows})
    ]


def recipe_rows(stats: Stats) -> list[tuple[str, str, int, int, str]]:
    """Recipe, version, training rows, validation rows, what it does; chosen ones even at zero."""
    by_split = stats["recipes"]
    made = {name for split in by_split.values() for name in split}
    named = [name for name in RECIPE_NAMES if name in {*made, *stats["settings"]["recipes"]}]
    rows = []
    for name in [*named, *sorted(made - {*named})]:
        version = str(stats["recipe_versions"].get(name, "-"))
        n = [by_split[split].get(name, 0) for split in ("train", "validation")]
        rows.append((name, version, n[0], n[1], _description(name)))
    return rows


def _description(recipe: str) -> str:
    made_by = RECIPES.get(recipe)
    return ((made_by.__doc__ if made_by else None) or "rows that no recipe made").split("\n")[0]


def _front_matter(stats: Stats, title: str, tags: Sequence[str]) -> str:
    from huggingface_hub import DatasetCardData

    n_rows = sum(stats["examples"].values())
    is_synthetic = bool(stats["synthetic_papers"] or stats["synthetic"])
    card = DatasetCardData(
        pretty_name=f"{title}: papers and training examples",
        language=[ISO_639_1.get(code, code) for code in stats["settings"]["languages"]],
        license="other",
        license_name="mixed, a licence per row",
        task_categories=["question-answering", "text-generation"],
        size_categories=[next((name for top, name in SIZES if n_rows < top), "n>1M")],
        tags=["titer", *tags, *(["synthetic"] if is_synthetic else [])],
        configs=[{"config_name": "default", "data_files": [
            {"split": split, "path": f"examples/{split}.jsonl"} for split in stats["examples"]
        ]}],
    )  # fmt: skip
    return str(card.to_yaml()).strip()

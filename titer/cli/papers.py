"""`titer papers why|purge|recheck`: from a training row to its paper and back, and taking out."""

import argparse
import datetime
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from titer.cli import generate
from titer.cli.places import short
from titer.config import FINE_TUNES
from titer.records import Example, Paper

if TYPE_CHECKING:
    from titer.examples.trace import Collection, Trail

WIDTH = 100


def add(commands: Any) -> None:
    """Add the commands."""
    parser = commands.add_parser(
        "papers",
        help="trace a row, take a paper out, recheck retractions, let a model ask questions",
        description="Trace a training row to its paper and its raw bytes, take a paper out for "
        "good, or ask the services whether a paper has been retracted since. Example: "
        "titer papers why pmid:12345678",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="verb", required=True)
    for name, function, text in (
        ("why", why, "print the chain of an example or a paper: spans, paper, raw bytes, query"),
        ("purge", purge, "put a paper on the list of excluded ones; says what reruns"),
        ("recheck", recheck, "ask PubMed and arXiv again for the status of all papers in use"),
    ):
        verb = verbs.add_parser(name, help=text, description=f"{text}.")
        if name != "recheck":
            verb.add_argument(
                "name",
                help="pmid:<number>, arxiv:<id>, a DOI"
                + (
                    ", document:<path> or an example's id (its beginning is enough)"
                    if name == "why"
                    else ""
                ),
            )
        verb.set_defaults(run=function)
    generate.add_verb(verbs)


def why(arguments: argparse.Namespace) -> None:
    """Print the chain: example, spans, paper, raw bytes, query.

    Raises:
        DataError: no papers yet, or nothing of that name.
        FormatError: data/papers is not as the stage writes it.
    """
    from titer import files, runner
    from titer.examples.trace import Collection

    folder = runner.ROOT / "data" / "papers"
    with files.as_written(folder, "Run: dvc checkout data/papers"):
        collection = Collection(folder)
        _print_trail(collection, collection.trail(arguments.name))


def _print_trail(collection: "Collection", trail: "Trail") -> None:
    for example in trail.examples:
        _print_example(example, trail.paper)
    for row in trail.removed:
        matched = f": {row['matched']}" if row["matched"] else ""
        print(f"removed  {row['example_id']} by rule {row['rule']} ({row['item_id']}){matched}")
    if trail.paper is not None:
        _print_paper(trail.paper, trail.cluster)
        for row in collection.queries(trail.paper):
            print(f"found by {row['query_id']}: {row['query']} (until {row['until']})")
        print_origin = _print_file if trail.paper.document else _print_origin
        print_origin(trail.paper)
    for sentence in trail.fate:
        print(f"fate     {sentence}")


def _print_example(example: Example, paper: Paper | None) -> None:
    from titer.examples.trace import is_rebuilt, support

    split = example.split or "no split"
    print(f"example  {example.id} ({example.recipe} v{example.recipe_version}, {split})")
    _print_text("prompt", example.prompt)
    _print_text("answer", example.answer)
    if paper is None:
        print(f"source   {example.paper_id}: a row of your own, from {_own_place(example)}")
        return
    for name, text in support(example, paper):
        _print_text("span", f"{name}: {text}")
    said = {True: "the spans give the answer", False: "THE SPANS DO NOT GIVE THE ANSWER",
            None: "a language model wrote the answer; the span is its evidence"}  # fmt: skip
    print(f"         {said[is_rebuilt(example, paper)]}")
    for key, value in sorted((example.generator or {}).items()):
        print(f"         {key}: {value}")


def _own_place(example: Example) -> str:
    """Path and line of a user's own row, as the files are now."""
    from titer import runner
    from titer.errors import DataError
    from titer.examples import own

    choices, _ = runner.load_params()
    folder = runner.ROOT / "data" / "own" / choices["domain"] / "training"
    try:
        place = own.read(folder).places.get(example.id)
    except DataError:
        place = None
    if place is None:
        return "data/own; no file there holds it any more as it was trained on"
    return place.removeprefix(f"{runner.ROOT}/")


def _print_text(name: str, text: str) -> None:
    shown = textwrap.shorten(text, 400, placeholder=" ...")
    print(textwrap.fill(shown, WIDTH, initial_indent=f"{name:<9}", subsequent_indent=" " * 9))


def _print_paper(paper: Paper, cluster: Sequence[str]) -> None:
    _print_text("text" if paper.document else "paper", f"{paper.paper_id} {paper.title}")
    licence = (paper.license or {}).get("id") or "licence not known"
    facts = [paper.journal, paper.pub_date, licence, f"doi:{paper.doi}" if paper.doi else None]
    print("         " + " | ".join(fact for fact in facts if fact))
    if paper.synthetic:
        print("         SYNTHETIC: written for this project, no such paper exists")
    for key in ("retracted", "concern", "withdrawn"):
        if getattr(paper, key):
            print(f"         {key.upper()} {paper.retraction or ''}".rstrip())
    if paper.body_source:
        said = " ".join(str(paper.body_source[key]) for key in ("source", "pmcid", "sha256"))
        print(f"         full text from {said}")
    others = [name for name in cluster if name != paper.paper_id]
    if others:
        print(f"         the same work as {', '.join(others)}")


def _print_origin(paper: Paper) -> None:
    from titer.literature.origin import find_record

    origin = find_record(paper, _raw_places())
    if origin is None:
        print(f"raw      record {paper.raw_sha256[:16]} is in none of the raw files here")
        return
    print(
        f"raw      {short(origin.path)}: {len(origin.record):,} bytes, sha256 "
        f"{paper.raw_sha256[:16]} as kept"
    )


def _print_file(paper: Paper) -> None:
    """The file of a document, and whether it is still the one that was read."""
    from titer import files, runner

    known = paper.document or {}
    name = f"data/own/{runner.load_params()[0]['domain']}/documents/{known['path']}"
    path = runner.ROOT / name
    now = files.sha256_file(path) if path.is_file() else None
    state = "is gone" if now is None else "as read" if now == known["sha256"] else "HAS CHANGED"
    print(f"raw      {name}: sha256 {known['sha256'][:16]}, {state}")
    print(f"         text by {known['extractor']} {known['version']}")


def _raw_places() -> list[Path]:
    """Where raw records may lie by the present settings."""
    from titer import runner

    choices, config = runner.chosen()
    home = Path(os.environ.get("DVC_ROOT", runner.ROOT))
    data, domain = runner.ROOT / "data", choices["domain"]
    cache = home / config.papers.cache_dir
    return [data / "samples" / domain, data / "own" / domain / "papers", cache]


def purge(arguments: argparse.Namespace) -> None:
    """Append a paper, and every record of the same work, to the list of excluded ones.

    Raises:
        FormatError: not an id.
    """
    from titer import runner
    from titer.literature.excluded import exclude

    choices, _ = runner.load_params()
    path = runner.ROOT / "data" / "own" / choices["domain"] / "excluded.txt"
    names, n_examples = _same_work(arguments.name)
    documents = [name for name in names if name.startswith("document:")]
    for name in documents:
        file = path.parent / "documents" / name.partition(":")[2]
        print(f"yours    {file.relative_to(runner.ROOT)}: delete this file yourself")
    listed = [name for name in names if name not in documents]
    added = exclude(path, listed)
    if listed:
        where = path.relative_to(runner.ROOT)
        print(f"{where}: {', '.join(added)} added" if added else f"{where}: already there")
    print(f"in use   {n_examples} training and validation examples come from it")
    if not added and not n_examples:
        return
    for line in _trained():
        print(f"trained  {line}")
    print("""next     git add data/own && dvc repro
         reruns fetch_papers; and, where one of its examples was trained on, both fine-tunes,
         their benchmarks and score. Then sweep what is left of it:
         dvc gc -w          the cache of past data and models (add --all-tags to keep tagged ones)
         rm -r .cache/papers   the raw responses; the next live run fetches them again""")


def _same_work(name: str) -> tuple[list[str], int]:
    """The id with all ids of its cluster, and how many examples come from them."""
    from titer import files, runner
    from titer.errors import DataError, FormatError
    from titer.examples.trace import Collection

    folder = runner.ROOT / "data" / "papers"
    try:
        with files.as_written(folder, "Run: dvc checkout data/papers"):
            collection = Collection(folder)
            trail = collection.trail(name)
    except FormatError:
        raise  # how many rows come from it would be a guess
    except DataError:
        return [name], 0  # a paper may be excluded before it was ever collected
    if trail.paper is None:
        return [name], len(trail.examples)
    n = sum(row.cluster_id in trail.cluster for row in collection.examples)
    return trail.cluster, n


def _trained() -> list[str]:
    """Which fine-tunes here were trained on the examples as they lie in data/papers."""
    from titer import files, runner

    rows = runner.ROOT / "data" / "papers" / "examples" / "train.jsonl"
    now = files.sha256_file(rows) if rows.is_file() else ""
    records = [(f"models/{arm}", f"results/train_{arm}/run.json") for arm in FINE_TUNES]
    lines = []
    for model, name in records:
        path = runner.ROOT / name
        run = files.read_json_object(path) if path.is_file() else {}
        if run.get("status") != "ok":
            lines.append(f"{model}: not trained here")
        elif run.get("examples_sha256") == now:
            lines.append(f"{model}: on these very examples")
        else:
            lines.append(f"{model}: on other examples; check out its commit and ask again")
    return lines


def recheck(arguments: argparse.Namespace) -> None:
    """Print what changed, the fine-tunes concerned and the commands that take a paper out.

    Raises:
        SourceError: a service failed; the same command continues.
    """
    from titer import runner
    from titer.examples.trace import Collection
    from titer.literature import recheck as status
    from titer.literature.credentials import Credentials
    from titer.literature.retractions import table_path

    _, config = runner.chosen()
    collection = Collection(runner.ROOT / "data" / "papers")
    found = status.recheck(
        list(collection.papers.values()),
        config.papers,
        cache_dir=runner.ROOT / config.papers.cache_dir,
        day=datetime.datetime.now(datetime.UTC).date().isoformat(),
        credentials=Credentials.from_environment(os.environ, runner.ROOT / ".env"),
        retractions=table_path(
            config.papers.retraction_watch.source,
            root=runner.ROOT,
            own=runner.ROOT / "data" / "own" / "retractions",
        ),
    )
    for service, n in found.n_asked.items():
        print(f"{service}: asked about {n} papers")
    for service, reason in found.not_asked.items():
        print(f"{service}: not asked ({reason})")
    if not found.n_asked:
        print("nobody was asked, so nothing is known")
        return
    if not found.changes:
        print("no change of status. That proves nothing about papers that nobody has looked at")
        return
    for change in found.changes:
        n = sum(row.paper_id == change.paper_id for row in collection.examples)
        detail = f" ({change.detail})" if change.detail else ""
        print(f"{change.paper_id}: {change.what}{detail}; {n} examples in use")
    for line in _trained():
        print(f"trained  {line}")
    for change in found.changes:
        if not change.what.startswith("no longer"):
            print(f"titer papers purge {change.paper_id}")

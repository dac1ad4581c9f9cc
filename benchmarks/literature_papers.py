"""Gates of records and examples: G5 speed, G6 clean, G7 leaks, G8 provenance, G9 a new recipe."""

import gzip
import itertools
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.literature_world import Gate, World
from tests.standin import corpus
from titer import files
from titer.evaluation import benchmark
from titer.examples import build
from titer.examples.planted import planted_recall
from titer.examples.recipes import rebuild_answer
from titer.literature import dedupe, raw, select
from titer.literature.parse import parse_atom, parse_pubmed
from titer.records import Paper
from titer.runner import ROOT

PARSE = """
import re, sys, time
from pathlib import Path
from titer.literature.files import iter_records
began, n = time.process_time(), 0
for _ in iter_records(Path(sys.argv[1])):
    n += 1
spent = time.process_time() - began
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
print(n, spent, int(peak) / 1024)
"""
"""CPU time, because a busy machine is none of the parser's doing; the peak is the kernel's own."""


def parsing(world: World) -> Iterator[Gate]:
    """G5: records as heavy as real ones, 12 kB, from one file in a process of its own."""
    peaks = []
    for n in (world.scale.n_parsed // 5, world.scale.n_parsed):
        path = world.folder / f"heavy_{n}.xml"
        with path.open("wb") as file:
            head, _, tail = corpus.article_set(["@"]).partition(b"@")
            file.write(head)
            for i in range(n):
                file.write(_heavy(i).encode())
            file.write(tail)
        size = path.stat().st_size
        ran = subprocess.run([sys.executable, "-c", PARSE, str(path)], capture_output=True,
                             text=True, cwd=ROOT, check=True)  # fmt: skip
        path.unlink()
        read, seconds, peak = map(float, ran.stdout.split())
        peaks.append(peak)
    speed = read / seconds
    figure = f"{speed:.0f} records per CPU second, {size / n / 1000:.1f} kB each"
    yield Gate("G5", f"parse {n} records", figure, ">= 2000/s", read == n and speed >= 2000)
    spelled = " and ".join(f"{peak:.0f}" for peak in peaks)
    figure = f"{spelled} MiB for {n // 5} and {n} records"
    yield Gate("G5", "peak memory", figure, "< 200 MiB", max(peaks) < 200)


def _heavy(i: int) -> str:
    """A record with the references that make real ones heavy."""
    reference = (
        "<Reference><Citation>Stand In, Records of Nobody. J Stand In. 2019;12(3):45-67."
        '</Citation><ArticleIdList><ArticleId IdType="pubmed">1</ArticleId></ArticleIdList>'
        "</Reference>"
    )
    kinds = [one for one in corpus.KINDS if "book" not in one]
    listed = f"<ReferenceList>{reference * 55}</ReferenceList></PubmedData>"
    return corpus.record(i, kinds[i % len(kinds)]).replace("</PubmedData>", listed)


def examples(world: World) -> Iterator[Gate]:
    """G6 to G9: the collection becomes examples, each traced back to the raw answers."""
    papers = _read_papers(world.folder / "clean" / "out")
    settings = world.config.examples
    asked = _asked()
    kept, built, found = _built(papers, settings, asked)
    bad = sum(p.retracted or p.is_retraction_notice or p.missing or p.withdrawn for p in kept)
    splits = {
        "train": {row.cluster_id for row in built.train},
        "validation": {row.cluster_id for row in built.validation},
        "heldout": {paper.cluster_id for paper in built.heldout_papers},
    }
    shared = sum(len(a & b) for a, b in itertools.combinations(splits.values(), 2))
    planted = sum(p.retracted or p.is_retraction_notice for p in papers)
    figure = f"{bad} of {planted} retracted or notices kept, {shared} clusters shared"
    yield Gate("G6", f"{len(kept)} of {len(papers)} papers", figure, "0, 0", not bad and not shared)
    recall = planted_recall(built.train, {p.paper_id: p for p in found}, asked)
    figure = f"{recall['caught']} of {recall['of']}"
    yield Gate("G7", "planted leaks, rules A to D", figure, "4 of 4", recall["recall"] == 1)
    yield _traced(world, built, kept)
    changed = replace(settings, recipes=["section_question", "summarise"])
    rows = _built(papers[-2000:], changed, asked)[1].train
    made = sorted({row.recipe for row in rows})
    figure = f"no service runs; {len(rows)} examples by {', '.join(made)}"
    bound = ", ".join(sorted(changed.recipes))
    yield Gate("G9", "recipe change", figure, bound, made == sorted(changed.recipes))


def _read_papers(out: Path) -> list[Paper]:
    """The papers of a written collection."""
    return [Paper.from_json(row) for row in files.read_jsonl(out / "papers.jsonl.gz")]


def _asked() -> Any:
    """Every question of the default benchmark."""
    places = {**benchmark.FILES, "safety": benchmark.SAFETY}
    paths = {k: ROOT / v.replace("${domain}", "autoimmune") for k, v in places.items()}
    return benchmark.texts_to_guard(SimpleNamespace(**paths))


def _built(papers: list[Paper], settings: Any, asked: Any) -> tuple[list[Paper], Any, list[Paper]]:
    """What the stage makes of a collection: papers kept, examples, all that passed the filters."""
    selected = select.select(papers, settings, excluded=frozenset())
    unique = dedupe.deduplicate(selected.kept)
    copies = [paper for paper in selected.kept if paper.paper_id != paper.cluster_id]
    built = build.build(unique.kept, settings, asked, duplicates=copies)
    return unique.kept, built, selected.kept


PARSERS = {
    False: (b"</PubmedArticleSet>", parse_pubmed),
    True: (b"</feed>", parse_atom),
}
"""End and reader of a document that holds one record: of PubMed, and of arXiv."""


def _traced(world: World, built: Any, kept: list[Paper]) -> Gate:
    """G8: answers rebuilt from the raw records in the cache, found by their hashes."""
    by_id = {paper.paper_id: paper for paper in kept}
    rows = [*built.train, *built.validation]
    wanted = {by_id[row.paper_id].raw_sha256 for row in rows}
    papers: dict[str, Paper] = {}
    for path in sorted((world.folder / "clean" / "cache").rglob("*.gz")):
        for record in raw.split(BytesIO(gzip.decompress(path.read_bytes()))):
            if (digest := record.sha256) in wanted:
                end, parse = PARSERS[record.tag == "entry"]
                papers[digest] = parse(record.root + record.content + end).papers[0]
    right = 0
    for row in rows:
        paper = papers.get(by_id[row.paper_id].raw_sha256)
        right += paper is not None and rebuild_answer(row, paper) == row.answer
    figure = f"{right} of {len(rows)} answers"
    return Gate("G8", "rebuilt from spans and raw bytes", figure, "all", right == len(rows) > 0)

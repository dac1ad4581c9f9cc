"""Gates G1 to G10 of the literature, measured against the stand-in server on this machine.

    python -m benchmarks.literature                        about six minutes on two cores
    python -m benchmarks.literature --out FILE.json        also keep the table

Prints one row per figure: gate, what, figure, bound, ok. Ends with 1 if a bound does not hold.
"""

import argparse
import gzip
import itertools
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.literature_world import (
    CANARY,
    FAULTS,
    FULL,
    SMALL,
    Scale,
    World,
    faulty,
    kind,
    minimum,
    per_endpoint,
    rate,
)  # fmt: skip
from tests.standin import corpus, live
from tests.standin.faults import KEY_REFUSED, Fault
from tests.standin.server import Server
from titer import files
from titer.evaluation import benchmark
from titer.examples import build
from titer.examples.planted import planted_recall
from titer.examples.recipes import rebuild_answer
from titer.literature import dedupe, raw, select
from titer.literature.parse import parse_atom, parse_pubmed
from titer.records import Paper
from titer.runner import ROOT


@dataclass(frozen=True)
class Gate:
    """One measured figure and its bound."""

    gate: str
    what: str
    figure: str
    bound: str
    ok: bool


def collections(world: World) -> Iterator[Gate]:
    """G1, G2, G4 and G9: clean, faulty, killed and second collections of the same corpus."""
    scale = world.scale
    strict = (3, 10) if scale.pace == 1 else None
    with world.open(rates=strict) as server:
        job = world.job(server, "clean")
        began = time.monotonic()
        code, log = world.collect(job)
        seconds = time.monotonic() - began
        if code:
            raise RuntimeError(log[-2000:])
        clean = live.written(job.out)
        yield from _complete(world, server, clean, seconds)
        yield from _arxiv_pace(server, 3.0 * scale.pace)
        n_requests = len(server.journal)
        again = replace(job, out=job.out.with_name("second"))
        world.collect(again)
        equal = live.written(again.out) == clean
        asked = len(server.journal) - n_requests
        yield Gate("G9", "second run", f"{asked} requests, equal bytes: {equal}", "0, equal",
                   asked == 0 and equal)  # fmt: skip
    yield from _faulty(world, clean)
    yield from _killed(world, clean)


def _complete(world: World, server: Server, clean: Any, seconds: float) -> Iterator[Gate]:
    scale = world.scale
    ids = files.read_json(world.folder / "clean" / "out" / "ids.json")
    rows = list(files.read_jsonl(world.folder / "clean" / "out" / "papers.jsonl.gz"))
    skipped = list(files.read_jsonl(world.folder / "clean" / "out" / "skipped.jsonl"))
    missing = sum(row["missing"] for row in rows)
    n, of = len(rows) + len(skipped), scale.n_records + scale.n_entries
    counted = ids["pubmed"][0]["count"] + ids["arxiv"][0]["count"]
    figure = f"{n} records ({missing} missing) of Count {counted} in {seconds:.0f} s"
    yield Gate("G1", "clean run", figure, f"{of}, 0 missing", n == counted == of and not missing)
    needed = minimum(scale, ids["pubmed"][0]["slices"], scale.page_size)
    asked = per_endpoint(server.journal)
    spelled = " + ".join(f"{number} {name}" for name, number in asked.items())
    slices = len(ids["pubmed"][0]["slices"])
    bound = f"{sum(needed.values())} ({slices} slices)"
    yield Gate("G2", "requests of a clean run", spelled, bound, asked == needed)
    refused = sum(request.status != 200 for request in server.journal)
    yield Gate("G3", "429 of the strict server, clean run", str(refused), "0", refused == 0)


def _arxiv_pace(server: Server, gap_s: float) -> Iterator[Gate]:
    asked = server.requests("query")
    least = min(b.at - a.at for a, b in itertools.pairwise(asked))
    at_once = max(request.in_flight for request in asked)
    figure = f"{least:.2f} s apart, {at_once} at once, {len(asked)} pages"
    yield Gate("G4", "arXiv", figure, f">= {gap_s:.2f} s, 1", least >= gap_s and at_once == 1)


def _faulty(world: World, clean: Any) -> Iterator[Gate]:
    with world.open() as server:
        server.arxiv_gap_s = 0.03
        job = world.job(server, "faulty", page_size=world.scale.small_page, gap_s=0.05)
        for endpoint in FAULTS:
            server.faults[endpoint] = faulty(endpoint, 0.3, world.scale.timeout_s + 0.3)
        scripts = {name: list(script) for name, script in server.faults.items()}
        code, log = world.collect(job)
        met = [fault for name, script in scripts.items() if name in FAULTS
               for fault in script[: len(server.requests(name))] if fault]  # fmt: skip
        kinds = {kind(fault) for fault in met}
        n = len(server.journal)
    equal = code == 0 and live.written(job.out) == clean
    figure = f"equal bytes: {equal}; {len(met)} faulty of {n} answers, {len(kinds)} kinds"
    ok = equal and len(kinds) >= 15 and len(met) >= 0.2 * n
    yield Gate("G1", "30 % faulty answers", figure, "equal, >= 15 kinds", ok)
    if code:
        print(log[-2000:], file=sys.stderr)


def _killed(world: World, clean: Any) -> Iterator[Gate]:
    with world.open() as server:
        server.arxiv_gap_s = 0.03
        job = world.job(server, "killed", page_size=world.scale.small_page, gap_s=0.05)
        slices = files.read_json(world.folder / "clean" / "out" / "ids.json")["pubmed"][0]["slices"]
        least = sum(minimum(world.scale, slices, world.scale.small_page).values())
        moments = [max(1, least * part // 10) for part in (1, 4, 6, 9)]
        world.collect_with_kills(job, server, moments)
        n, most = len(server.journal), least + 4 * (job.settings.pubmed.workers_with_key + 1)
    equal = live.written(job.out) == clean
    half = [path.name for path in job.cache.rglob(".*")]
    figure = f"equal bytes: {equal}; {n} requests; {len(half)} half-written files"
    ok = equal and not half and n <= most
    yield Gate("G1", "4 kill -9", figure, f"equal, <= {most}, 0", ok)


def rates(world: World) -> Iterator[Gate]:
    """G3: the pace with answers that take a second, without and with a key."""
    scale = world.scale
    cases = [("without key, 4 workers", 3, {"NCBI_API_KEY": ""}, 0.85), ("with key, 8", 10, {}, 0)]
    for name, limit, env, share in cases:
        n = int(limit * scale.rate_s)
        options = {"rates": (3, 10), "latency_s": 1.0}
        with world.open(n=n, **options) as server:
            job = world.job(server, name.replace(" ", "_").replace(",", ""))
            job.settings.arxiv.enabled = False
            pubmed = job.settings.pubmed
            pubmed.gap_s, pubmed.gap_with_key_s = 0.34, 0.105
            pubmed.batch_size = 1
            job.settings.timeout_s = 10
            code, _ = world.collect(job, **env)
            fetched = server.requests("efetch")
            refused = sum(request.status != 200 for request in server.journal)
        reached = rate(fetched)
        figure = f"{reached:.2f}/s ({reached / limit:.0%}), {refused} x 429"
        bound = f">= {share:.0%} of {limit}/s, 0" if share else f"<= {limit}/s, 0"
        ok = code == 0 and refused == 0 and share * limit <= reached <= limit
        yield Gate("G3", f"{name}, 1 s latency", figure, bound, ok)


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
    changed = replace(settings, recipes=settings.recipes[-2:])
    other = _built(papers, changed, asked)[1]
    differs = {row.id for row in other.train} != {row.id for row in built.train}
    yield Gate(
        "G9", "recipe change", f"no service runs; other examples: {differs}", "other", differs
    )


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


def secrets(world: World) -> Iterator[Gate]:
    """G10: key and address of every run above, looked for in whatever they left."""
    with world.open(n=20) as server:
        job = world.job(server, "refused")
        echo = KEY_REFUSED % CANARY["NCBI_API_KEY"].encode()
        server.faults["esearch"].append(Fault("status", 400, body=echo))
        code, log = world.collect(job)
    named = "NCBI_API_KEY" in log.splitlines()[-1]
    yield Gate("G10", "a wrong key", f"exit {code}, names the variable: {named}", "1, named",
               bool(code) and named)  # fmt: skip
    n_files = sum(path.is_file() for path in world.folder.rglob("*"))
    leaks = world.leaks()
    yield Gate("G10", f"{n_files} files, logs and caches", f"{len(leaks)} with a secret", "0",
               not leaks)  # fmt: skip


PARTS: tuple[Callable[[World], Iterator[Gate]], ...] = (
    collections, rates, parsing, examples, secrets,
)  # fmt: skip


def measure(scale: Scale, folder: Path) -> Iterator[Gate]:
    """All gates, each as soon as it is measured."""
    world = World(scale, folder)
    for part in PARTS:
        yield from part(world)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="also write the table as JSON")
    parser.add_argument("--small", action="store_true", help="a few seconds, rates scaled")
    chosen = parser.parse_args()
    began, gates = time.monotonic(), []
    with tempfile.TemporaryDirectory() as name:
        for gate in measure(SMALL if chosen.small else FULL, Path(name)):
            gates.append(gate)
            print(f"| {gate.gate:3} | {gate.what:38} | {gate.figure:66} | {gate.bound:22} | "
                  f"{'ok' if gate.ok else 'FAILS'} |", flush=True)  # fmt: skip
    seconds = round(time.monotonic() - began)
    print(f"{sum(gate.ok for gate in gates)} of {len(gates)} hold, {seconds} s")
    if chosen.out:
        machine = {"python": platform.python_version(), "cores": os.cpu_count()}
        rows = [asdict(gate) for gate in gates]
        files.write_json(chosen.out, {"gates": rows, "machine": machine, "time_seconds": seconds})
    sys.exit(not all(gate.ok for gate in gates))


if __name__ == "__main__":
    main()

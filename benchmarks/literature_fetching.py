"""Gates of fetching: G1 complete, G2 few requests, G3 and G4 polite, G9 economy, G10 secrets."""

import itertools
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from benchmarks.literature_world import (
    CANARY,
    FAULTS,
    Gate,
    World,
    faulty,
    kind,
    minimum,
    per_endpoint,
    rate,
)  # fmt: skip
from tests.standin import live
from tests.standin.faults import KEY_REFUSED, Fault
from tests.standin.server import Server
from titer import files


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
    ok = equal and len(kinds) >= 15 and len(met) >= 0.25 * n
    yield Gate("G1", "30 % faulty answers", figure, "equal, >= 15 kinds, 25 %", ok)
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

"""Collect papers and turn them into chat examples with answers.

Reads the sample collection, the user's own files or the services, and the benchmark; writes the
papers, the examples by split, the held-out papers, every count and the data card.
    python -m stages.fetch_papers papers=sample        one run by hand, into runs/
"""

import os
from typing import Any

from titer.evaluation import benchmark
from titer.runner import ROOT, Places, stage


@stage(
    uses=("examples", "domain", "papers"),
    reads={
        "sample": "data/samples/${domain}",
        "own": "data/own/${domain}/papers",
        "excluded": "data/own/${domain}/excluded.txt",
        "training": "data/own/${domain}/training",
        "generated": "data/own/${domain}/generated",
        "encoder": "data/own/encoder",
        "retractions": "data/own/retractions",
        **benchmark.FILES,
        "safety": benchmark.SAFETY,
    },
    writes={"papers": "data/papers"},
)
def fetch_papers(cfg: Any, at: Places) -> None:
    """Fetch, select, deduplicate, make examples, guard against leaks, split."""
    from titer.examples import build, folder
    from titer.literature import collect, dedupe, excluded, select
    from titer.literature import files as papers_files
    from titer.literature.credentials import Credentials

    collection = collect.collect(
        cfg.papers,
        cfg.domain,
        sample=at.reads.sample,
        own=papers_files.own_path(cfg.papers.path, root=ROOT, own=at.reads.own),
        cache=at.home / cfg.papers.cache_dir,
        credentials=Credentials.from_environment(os.environ, at.home / ".env"),
    )
    listed = excluded.read_excluded(at.reads.excluded)
    selected = select.select(collection.papers, cfg.examples, excluded=listed)
    unique = dedupe.deduplicate(selected.kept)
    asked = benchmark.texts_to_guard(at.reads)
    copies = [p for p in selected.kept if p.paper_id != p.cluster_id]
    built = build.build(unique.kept, cfg.examples, asked, duplicates=copies)
    counts = folder.write(
        at.writes.papers,
        papers=unique.kept,
        copies=copies,
        built=built,
        ids=collection.ids,
        lists={
            "skipped": collection.skipped,
            "rejected": selected.rejected,
            "duplicate": unique.duplicates,
        },
        settings=cfg.examples,
        title=cfg.domain.title,
    )
    folder.log(counts)


if __name__ == "__main__":
    fetch_papers.main()

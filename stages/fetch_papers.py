"""Collect papers and turn them into chat examples with answers.

Reads the sample collection, the user's own files or the services, the user's own training rows and
documents, and the benchmark; writes the papers, the examples by split, the held-out papers, counts
and data card.
    python -m stages.fetch_papers papers=sample        one run by hand, into runs/
"""

import os
from typing import Any

from titer.config import ExampleSources
from titer.evaluation import benchmark
from titer.literature import files as papers_files
from titer.runner import ROOT, Places, lexicons, stage


@stage(
    uses=("examples", "domain", "papers"),
    reads={
        "sample": "data/samples/${domain}",
        "own": "data/own/${domain}/papers",
        "excluded": "data/own/${domain}/excluded.txt",
        "documents": "data/own/${domain}/documents",
        "training": "data/own/${domain}/training",
        "domains": "conf/domain",
        "generated": "data/own/${domain}/generated",
        "encoder": "data/own/encoder",
        "retractions": "data/own/retractions",
        **benchmark.FILES,
    },
    writes={"papers": "data/papers"},
    least_memory_bytes=1 << 28,  # it loads torch only for an encoder
    least_address_bytes=1 << 28,
)
def fetch_papers(cfg: Any, at: Places) -> None:
    """Fetch, select, deduplicate, make examples, guard against leaks, split."""
    from titer.examples import build, folder, generated, own, planted
    from titer.examples.documents import collect as documents
    from titer.literature import collect, dedupe, excluded, retractions, select
    from titer.literature.credentials import Credentials
    from titer.modeling import embedding

    collection = collect.collect(
        cfg.papers,
        cfg.domain,
        sample=at.reads.sample,
        own=papers_files.own_path(cfg.papers.path, root=ROOT, own=at.reads.own) or at.reads.own,
        cache=at.home / cfg.papers.cache_dir,
        credentials=Credentials.from_environment(os.environ, at.home / ".env"),
        retractions=retractions.table_path(
            cfg.papers.retraction_watch.source, root=ROOT, own=at.reads.retractions
        ),
        is_wanted=cfg.examples.sources != ExampleSources.own,
    )
    listed = excluded.read_excluded(at.reads.excluded)
    selected = select.select(collection.papers, cfg.examples, excluded=listed)
    unique = dedupe.deduplicate(selected.kept)
    asked = benchmark.texts_to_guard(at.reads)
    copies = [p for p in selected.kept if p.paper_id != p.cluster_id]
    not_taken = dedupe.not_taken(collection.papers, selected.kept)
    written = generated.gate(generated.read(at.reads.generated), unique.kept)
    rows = own.read_wanted(
        at.reads.training, cfg.examples.sources, papers=[*selected.kept, *not_taken],
        excluded=listed, domain=at.choices["domain"], words_of=lexicons(at.reads.domains),
    )  # fmt: skip
    texts = documents.read_wanted(
        at.reads.documents, cfg.examples, deduplicate=dedupe.deduplicate,
        papers=collection.papers, rejected=selected.rejected, excluded=listed,
    )  # fmt: skip
    encoder = papers_files.own_path(
        cfg.examples.encoder, root=ROOT, own=at.reads.encoder, key="examples.encoder"
    )
    similar = embedding.encoder_or_none(encoder)
    built = build.build(
        unique.kept, cfg.examples, asked, duplicates=[*copies, *not_taken], documents=texts,
        extra=[*written.examples, *rows.examples], rejected=written.rejected, similar=similar,
    )  # fmt: skip
    built.counts["planted"] = planted.self_test(
        built.train,
        {paper.paper_id: paper for paper in selected.kept},
        asked,
        similar=similar,
        threshold=cfg.examples.encoder_threshold,
    )
    built.counts.update(rows.outcome([*built.train, *built.validation], built.removed))
    lists = {"rejected": selected.rejected, "duplicate": unique.duplicates}
    counts = folder.write(
        at.writes.papers, papers=unique.kept, copies=copies, built=built, ids=collection.ids,
        lists={"skipped": collection.skipped, **lists}, settings=cfg.examples,
        title=cfg.domain.title, tags=cfg.domain.tags, wording=cfg.domain.wording, documents=texts,
    )  # fmt: skip
    folder.log(counts)


if __name__ == "__main__":
    fetch_papers.main()

"""A user's own training rows, from the files below data/own/<domain>/training.

Read are all formats of titer/examples/formats, each found out from the rows themselves, and the
data sets that a dataset_info.json there describes.

Invariant: every file and every row is used, or counted with the reason why it is not; the same
files give the same examples. Rows that name the same source get one cluster, so that no source
stands in two splits.
"""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from titer import files
from titer.config import ExampleSources
from titer.examples import lexicons
from titer.examples.decontaminate import fate_of
from titer.examples.formats import interop
from titer.examples.formats.base import message_fault
from titer.examples.formats.containers import SUFFIXES
from titer.examples.formats.reading import UNANSWERED, Reading
from titer.examples.normalise import OWN, normal_id, paper_ids, words
from titer.records import Example, Paper, without_control

logger = logging.getLogger(__name__)

SERVICES = frozenset({"", "pubmed", "arxiv", OWN})
"""Values of `source` that do not tell one source from another."""
RECIPE_VERSION = 1

_THOUGHT = ("<think>", "</think>")
"""Kept, since a user may train a model to think."""


@dataclass(frozen=True)
class OwnRows:
    """What the folder holds."""

    examples: list[Example]
    """In order of file and row; `split` still empty."""
    counts: dict[str, Any]
    """`{rows, left_out, ignored, other_domain, unknown_files}`: used rows per file, others per file
    and reason, keys that are not read, rows that speak of another domain, names of the files
    without rows; empty for an empty folder."""
    places: dict[str, str] = field(default_factory=dict)
    """`path:line` of each example, by id."""

    def log(self) -> None:
        """Say what was read, and for each file what was not."""
        if self.counts:
            n_files = len(self.counts["rows"])
            logger.info("%d own training rows from %d files", len(self.examples), n_files)
        for name, reasons in self.counts.get("left_out", {}).items():
            logger.warning("%s: rows left out: %s", name, reasons)
        for name, keys in self.counts.get("ignored", {}).items():
            logger.info("%s: not read: %s", name, keys)
        for name, domains in self.counts.get("other_domain", {}).items():
            logger.warning("%s: rows that speak of another domain: %s", name, domains)
        for name in self.counts.get("unknown_files", []):
            logger.warning("%s: not read; names of rows end in %s", name, ", ".join(SUFFIXES))

    def outcome(
        self, used: Iterable[Example], removed: Iterable[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """The counts under `own`, with what became of the examples; empty for an empty folder.

        Args:
            used: training and validation rows.
            removed: the ledger.
        Returns:
            Besides `counts`: `used`, `removed` per rule, and `set_aside`, the rows about a
            held-out paper, which are in no split.
        """
        if not self.counts:
            return {}
        n_used, by_rule, n_aside = fate_of(self.examples, used, removed)
        fate = {"used": n_used, "removed": by_rule, "set_aside": n_aside}
        return {"own": self.counts | fate}


def read(
    folder: Path,
    *,
    papers: Iterable[Paper] = (),
    excluded: Iterable[str] = frozenset(),
    domain: str = "",
    words_of: Mapping[str, Sequence[str]] | None = None,
) -> OwnRows:
    """The rows of all files below the folder.

    Args:
        papers: the collection; a row that names one of them joins its cluster.
        excluded: ids of the user's exclusion list, in any spelling.
        domain: the one that is trained for.
        words_of: the lexicon of every domain, by name.

    Raises:
        FormatError: a file has no known form, or rows cannot be used; the text begins with the
            first one's path:line and says how many there are.
    """
    clusters = {name: paper.cluster_id for paper in papers for name in paper_ids(paper)}
    reader = _Reader(clusters, {normal_id(name) for name in excluded}, domain, words_of or {})
    described = interop.described(folder)
    unknown = []
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        if path.name == interop.DATASET_INFO:
            continue
        if path.name.lower().removesuffix(".gz").endswith(tuple(SUFFIXES)):
            reader.add(path, name, described.get(path.resolve()))
        else:
            unknown.append(name)
    counts = {
        "rows": reader.rows,
        "left_out": _nonempty(reader.left_out),
        "ignored": _nonempty(reader.ignored),
        "other_domain": _nonempty(reader.other_domain),
        "unknown_files": unknown,
    }
    is_empty = not (reader.rows or unknown)
    return OwnRows(reader.examples, {} if is_empty else counts, reader.places)


def read_wanted(folder: Path, sources: ExampleSources, **named: Any) -> OwnRows:
    """The rows, where rows of the user are wanted, and what was read said; `named` as in `read`.

    Raises:
        FormatError: as `read`.
    """
    rows = OwnRows([], {}) if sources == ExampleSources.papers else read(folder, **named)
    rows.log()
    return rows


def _nonempty(counts: Mapping[str, Counter[str]]) -> dict[str, dict[str, int]]:
    return {name: dict(sorted(found.items())) for name, found in counts.items() if found}


def _files(folder: Path) -> list[Path]:
    """All files but hidden ones (Git's, DVC's, checkpoints of notebooks) and DVC's own.

    Raises:
        FormatError: a link that leads out of the folder, to what DVC does not watch.
    """
    return [path for path in files.given_below(folder) if path.suffix != ".dvc"]


class _Reader:
    """Collects the examples of one file after the other."""

    def __init__(
        self,
        clusters: Mapping[str, str],
        banned: set[str],
        domain: str,
        words_of: Mapping[str, Sequence[str]],
    ) -> None:
        self.clusters = clusters
        self.banned = banned
        self.domain = domain
        self.words_of = words_of
        self.examples: list[Example] = []
        self.places: dict[str, str] = {}
        self.rows: dict[str, int] = {}
        self.left_out: dict[str, Counter[str]] = {}
        self.ignored: dict[str, Counter[str]] = {}
        self.other_domain: dict[str, Counter[str]] = {}

    def add(self, path: Path, name: str, description: interop.Description | None) -> None:
        """Read one file."""
        from tqdm.auto import tqdm

        if description:
            reading = interop.reading(description)
        else:
            reading = Reading(path, adapt=_without_control, is_mixed=True)
        seen: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        foreign: Counter[str] = Counter()
        n_before = len(self.examples)
        for found in tqdm(reading, desc=name, unit="row", delay=5):
            messages = [_clean(message) for message in found.messages]
            fault = message_fault(messages)
            given = _given(found)
            if fault:
                reading.refuse(fault)
            elif normal_id(given) in self.banned:
                reasons["excluded"] += 1
            else:
                example = self._example(name, given, messages, found.title.strip(), seen)
                self.examples.append(example)
                self.places[example.id] = reading.place
                foreign.update(lexicons.foreign(example, self.domain, self.words_of))
        reading.refuse_faults()
        if reading.n_unanswered:
            reasons[UNANSWERED] = reading.n_unanswered
        self.rows[name] = len(self.examples) - n_before
        self.left_out[name], self.ignored[name] = reasons, reading.ignored
        self.other_domain[name] = foreign

    def _example(
        self,
        name: str,
        given: str,
        messages: list[dict[str, str]],
        title: str,
        seen: Counter[str],
    ) -> Example:
        content = files.dump_json([name, given, messages])
        own_id = f"{OWN}:{name.replace('#', '%23')}"  # what follows a # is the id given
        seen[content] += 1
        return Example(
            id=files.sha256_text(f"{OWN}|{content}|{seen[content]}")[:16],
            messages=messages,
            recipe=OWN,
            recipe_version=RECIPE_VERSION,
            paper_id=f"{own_id}#{given}" if given else own_id,
            source=OWN,
            title=title,
            spans=[],
            cluster_id=_cluster(given, messages, self.clusters),
        )


def _given(found: Example) -> str:
    """What a row says of its source: an id, else a name that tells sources apart."""
    source = found.source.strip()
    return found.paper_id.strip() or ("" if source.lower() in SERVICES else source)


def _plain(text: str) -> str:
    """The text without tokens that would end a turn in training too, however often nested."""
    return without_control(text, _kept)


def _kept(token: re.Match[str]) -> str:
    return token[0] if token[0] in _THOUGHT else ""


def _without_control(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row; a text loses its control tokens before its speakers are looked for."""
    text = row.get("text")
    return {**row, "text": _plain(text)} if isinstance(text, str) else row


def _clean(message: Mapping[str, str]) -> dict[str, str]:
    return {"role": message["role"], "content": _plain(message["content"]).strip()}


def _cluster(given: str, messages: list[dict[str, str]], clusters: Mapping[str, str]) -> str:
    """That of the paper with this id, else one per given source, else one per question."""
    if given:
        return clusters.get(normal_id(given)) or f"{OWN}:{normal_id(given)}"
    question = "\n".join(message["content"] for message in messages[:-1])
    return f"{OWN}:{files.sha256_text(' '.join(words(question)))[:16]}"

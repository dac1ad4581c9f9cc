"""A user's own training rows, from the files below data/own/<domain>/training.

Read are chat rows (`messages`, with or without our other keys), records with a `text` that holds
question and answer, and rows with `question` and `answer`; as JSONL or as one JSON list.

Invariant: every file and every row is used, or counted with the reason why it is not; the same
files give the same examples. Rows that name the same source get one cluster, so that no source
stands in two splits.
"""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from titer import files
from titer.errors import FormatError
from titer.examples.formats import chat, text_records
from titer.examples.normalise import OWN, normal_id, paper_ids, words
from titer.records import Example, Paper

logger = logging.getLogger(__name__)

LINES = ".jsonl"
SUFFIXES = (LINES, ".json")
"""Names of files that hold rows; every other file is named and left alone."""

ALLOWED = "Allowed: messages; text with question and answer; question and answer"
SERVICES = frozenset({"", "pubmed", "arxiv", OWN})
"""Values of `source` that do not tell one source from another."""
RECIPE_VERSION = 1

# a token that ends a turn would end it in training too
_CONTROL = re.compile(r"<[|\uff5c][^<>|\uff5c]{1,40}[|\uff5c]>|</?s>")


@dataclass(frozen=True)
class OwnRows:
    """What the folder holds."""

    examples: list[Example]
    """In order of file and row; `split` still empty."""
    counts: dict[str, Any]
    """`{rows, left_out, unknown_files}`: used rows per file, others per file and reason, names of
    the files without rows; empty for an empty folder."""

    def log(self) -> None:
        """Say what was read, and for each file what was not."""
        if self.counts:
            n_files = len(self.counts["rows"])
            logger.info("%d own training rows from %d files", len(self.examples), n_files)
        for name, reasons in self.counts.get("left_out", {}).items():
            logger.warning("%s: rows left out: %s", name, reasons)
        for name in self.counts.get("unknown_files", []):
            logger.warning("%s: not read; names of rows end in %s", name, " or ".join(SUFFIXES))

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
        ids = {example.id for example in self.examples}
        n_used = len(ids & {example.id for example in used})
        rules = {row["example_id"]: str(row["rule"]) for row in removed if row["example_id"] in ids}
        fate = {
            "used": n_used,
            "removed": dict(sorted(Counter(rules.values()).items())),
            "set_aside": len(ids) - n_used - len(rules),
        }
        return {"own": self.counts | fate}


def read(
    folder: Path, *, papers: Iterable[Paper] = (), excluded: Iterable[str] = frozenset()
) -> OwnRows:
    """The rows of all files below the folder.

    Args:
        papers: the collection; a row that names one of them joins its cluster.
        excluded: ids of the user's exclusion list, in any spelling.

    Raises:
        FormatError: a row has no known form; the text begins with path:line.
    """
    clusters = {name: paper.cluster_id for paper in papers for name in paper_ids(paper)}
    banned = {normal_id(name) for name in excluded}
    examples: list[Example] = []
    rows: dict[str, int] = {}
    left_out: dict[str, dict[str, int]] = {}
    unknown = []
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        if not path.name.lower().endswith(SUFFIXES):
            unknown.append(name)
            continue
        found, reasons = _read_file(path, name, clusters, banned)
        examples += found
        rows[name] = len(found)
        if reasons:
            left_out[name] = dict(sorted(reasons.items()))
    counts = {"rows": rows, "left_out": left_out, "unknown_files": unknown}
    return OwnRows(examples, counts if rows or unknown else {})


def _files(folder: Path) -> list[Path]:
    """All files but those that Git and DVC keep there."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".") and path.suffix != ".dvc"
    )


def _read_file(
    path: Path, name: str, clusters: Mapping[str, str], banned: set[str]
) -> tuple[list[Example], Counter[str]]:
    from tqdm.auto import tqdm

    examples: list[Example] = []
    reasons: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for number, row in enumerate(tqdm(_rows(path), desc=name, unit="row", delay=5)):
        messages = _messages(row, path, number)
        source = _text(row, "source")
        given = _text(row, "paper_id") or ("" if source.lower() in SERVICES else source)
        if messages is None:
            reasons["no question and answer in the text"] += 1
        elif normal_id(given) in banned:
            reasons["excluded"] += 1
        else:
            content = files.dump_json([name, given, messages])
            seen[content] += 1
            examples.append(
                Example(
                    id=files.sha256_text(f"{OWN}|{content}|{seen[content]}")[:16],
                    messages=messages,
                    recipe=OWN,
                    recipe_version=RECIPE_VERSION,
                    paper_id=f"{OWN}:{name}#{given}" if given else f"{OWN}:{name}",
                    source=OWN,
                    title=_text(row, "title"),
                    spans=[],
                    cluster_id=_cluster(given, messages, clusters),
                )
            )
    return examples, reasons


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if path.name.lower().endswith(LINES):
        yield from files.read_jsonl(path)
        return
    content = files.read_json(path)
    if not isinstance(content, list):
        raise FormatError(f"{path}:1: a JSON {type(content).__name__}, expected a list of records")
    for number, row in enumerate(content, 1):
        if not isinstance(row, dict):
            raise FormatError(f"{path}: record {number}: a {type(row).__name__}. {ALLOWED}")
        yield row


def _messages(row: Mapping[str, Any], path: Path, number: int) -> list[dict[str, str]] | None:
    """The conversation of a row; null for a text without question and answer."""
    if "messages" in row:
        found = row["messages"]
    elif isinstance(row.get("text"), str):
        found = text_records.turns(_CONTROL.sub("", row["text"]))
        if found is None:
            return None
    elif {"question", "answer"} <= row.keys():
        pair = (("user", row["question"]), ("assistant", row["answer"]))
        found = [{"role": role, "content": content} for role, content in pair]
    else:
        keys = ", ".join(sorted(row))
        raise FormatError(f"{_place(path, number)}: keys {keys}: no known form. {ALLOWED}")
    fault = chat.message_fault(found)
    cleaned = [] if fault else [_clean(message) for message in found]
    fault = fault or chat.message_fault(cleaned)
    if fault:
        raise FormatError(f"{_place(path, number)}: {fault}")
    return cleaned


def _place(path: Path, number: int) -> str:
    is_lines = path.name.lower().endswith(LINES)
    return f"{path}:{chat.line_of(path, number)}" if is_lines else f"{path}: record {number + 1}"


def _clean(message: Mapping[str, str]) -> dict[str, str]:
    return {"role": message["role"], "content": _CONTROL.sub("", message["content"]).strip()}


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return str(value).strip() if isinstance(value, str | int) else ""


def _cluster(given: str, messages: list[dict[str, str]], clusters: Mapping[str, str]) -> str:
    """That of the paper with this id, else one per given source, else one per question."""
    if given:
        return clusters.get(normal_id(given)) or f"{OWN}:{normal_id(given)}"
    question = "\n".join(message["content"] for message in messages[:-1])
    return f"{OWN}:{files.sha256_text(' '.join(words(question)))[:16]}"

"""From the store to training rows: chosen, scrubbed, merged with earlier exports, written.

Invariant: the same store, filter and earlier file give the same rows to the byte; no row of a
forgotten conversation, and no conversation twice. Only the metadata hold a clock (`timestamp`).
"""

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from titer import files
from titer.conversations import shapes
from titer.conversations.chats import ID, Conversation, utc
from titer.conversations.filters import (
    BEFORE_SINCE,
    BEYOND_LIMIT,
    DUPLICATE,
    Chosen,
    Filter,
    choose,
    fault,
)
from titer.conversations.scrub import OUT_OF_REACH
from titer.conversations.store import Store
from titer.errors import ConfigError, DataError

NEW, EDITED, UNCHANGED = "new", "edited since the last export", "unchanged since the last export"
TRAINED_ON = "chat"
"""The form whose `source` the training rows are clustered by; the others are for other tools."""

ELSEWHERE = "kept from an earlier export, not in this store"
FORGOTTEN, NO_LONGER = "taken out: forgotten", "taken out: no longer chosen"


@dataclass
class Outcome:
    """What an export did."""

    n_stored: int = 0
    """Conversations of the domain in the store: `exported` of the store and `rejected` add up."""
    exported: Counter[str] = field(default_factory=Counter)
    """Conversations in the file, by how they came there."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Conversations of the store that are not, by reason."""
    taken_out: Counter[str] = field(default_factory=Counter)
    """Conversations of the earlier file that are not in the new one."""
    scrubbed: Counter[str] = field(default_factory=Counter)
    """Kind of personal data and how often it was replaced."""
    changes: Counter[str] = field(default_factory=Counter)
    """What else was done to the messages."""
    n_rows: int = 0
    metadata: Path | None = None
    """Null where nothing was written."""


def holding(folder: Path, conversation_id: str) -> list[Path]:
    """The exports of a tree that still hold a conversation, sorted.

    Whatever their name: `--output` chooses it, and training reads every file of its folder.
    """
    mark = f'"conversation_id": "{conversation_id}"'
    paths = [path for path in sorted(folder.rglob("*.json*")) if path.is_file()]
    return [path for path in paths if _says(path, mark)]


def _says(path: Path, mark: str) -> bool:
    with path.open(encoding="utf-8", errors="replace") as lines:  # rows of one's own may be many
        return any(mark in line for line in lines)


def metadata_path(output: Path) -> Path:
    """Beside the rows; of rows in a folder `training`, whose every .json is rows, one above."""
    folder = output.parent.parent if output.parent.name == "training" else output.parent
    return folder / f"{output.name}.metadata.json"


def export(
    store: Store, domain: str, output: Path, *, shape: str, wanted: Filter, now: str
) -> Outcome:
    """Write the chosen conversations of a domain, merged with what the file holds already.

    A conversation that was exported before is taken anew from the store, so edits and ratings
    arrive; it is taken out if it was forgotten or is no longer chosen, and kept if this store does
    not know it.

    Args:
        shape: a name of `shapes.SHAPES`.
        now: ISO 8601, for the metadata.

    Raises:
        ConfigError: no such shape, or a domain that is no name.
        DataError: the file is no export of this form, or its place is not for this form; what was
            there is still there.
    """
    if shape not in shapes.SHAPES or not ID.fullmatch(domain):
        names = ", ".join(shapes.SHAPES)
        raise ConfigError(f"no export of {domain!r} as {shape!r}: forms are {names}")
    if output.parent.name == "training" and shape != TRAINED_ON:
        raise DataError(
            f"{output}: every file of a training folder is trained on, and only the form "
            f"{TRAINED_ON} keeps a conversation in one split. Name another place with --output"
        )
    earlier = shapes.read(output, shape)
    merged = _Merge(store, domain, shape, wanted, earlier)
    merged.take_from_store()
    merged.keep_what_others_exported()
    outcome = merged.outcome
    if merged.rows or earlier:
        shapes.write(output, merged.rows)
        outcome.metadata = metadata_path(output)
        files.write_json(outcome.metadata, _metadata(merged, output, shape, domain, utc(now)))
    return outcome


class _Merge:
    """The rows in the making."""

    def __init__(
        self, store: Store, domain: str, shape: str, wanted: Filter,
        earlier: dict[str, list[shapes.Row]],
    ) -> None:  # fmt: skip
        self.store, self.domain, self.shape, self.wanted = store, domain, shape, wanted
        self.earlier = earlier
        self.rows: dict[str, list[shapes.Row]] = {}
        self.outcome = Outcome()
        self._seen: set[str] = set()
        self._contents: set[str] = set()
        self._n_of_this_export = 0
        self._fates: dict[str, str] = {}

    def take_from_store(self) -> None:
        """Choose from the conversations of the domain, the newest first."""
        from tqdm.auto import tqdm

        found = self.store.newest_first(self.domain)
        total = self.store.count(self.domain)
        for conversation in tqdm(found, "conversations", total, delay=5):
            self._seen.add(conversation.id)
            reason = self._refused(conversation)
            if reason:
                self.outcome.rejected[reason] += 1
                if conversation.id in self.earlier:
                    self.outcome.taken_out[NO_LONGER] += 1
        self.outcome.n_stored = len(self._seen)

    def _refused(self, conversation: Conversation) -> str | None:
        """Take the conversation, or say why not; what cannot get in any more is not scrubbed."""
        since, limit = self.wanted.since, self.wanted.limit
        is_late = since is None or conversation.created_at >= since
        is_within = is_late and self._n_of_this_export < limit
        if not is_within and conversation.id not in self.earlier:
            beyond = BEYOND_LIMIT if is_late else BEFORE_SINCE
            return fault(conversation, self.wanted) or beyond
        chosen = choose(conversation, self.wanted)
        return chosen if isinstance(chosen, str) else self._take(chosen, is_within)

    def _take(self, chosen: Chosen, is_within: bool) -> str | None:
        rows = shapes.rows(chosen, self.shape)
        content = shapes.content(rows)
        before = self.earlier.get(chosen.id)
        if content in self._contents:
            return DUPLICATE
        self._n_of_this_export += is_within
        self._contents.add(content)
        self.rows[chosen.id] = rows
        self._fates[chosen.id] = NEW if before is None else UNCHANGED if before == rows else EDITED
        self.outcome.scrubbed += chosen.scrubbed
        self.outcome.changes += chosen.counts
        return None

    def keep_what_others_exported(self) -> None:
        """After the store was read, so that whoever forgets meanwhile has the last word."""
        forgotten = self.store.forgotten()
        moved = self.store.known(self.earlier.keys() - self._seen)
        for name in forgotten & self.rows.keys():
            del self.rows[name]
            self.outcome.taken_out[FORGOTTEN] += 1
        for name, rows in self.earlier.items():
            if name in self._seen:
                continue
            if name in forgotten:
                self.outcome.taken_out[FORGOTTEN] += 1
            elif name in moved or shapes.content(rows) in self._contents:
                self.outcome.taken_out[NO_LONGER] += 1
            else:
                self.rows[name] = rows
                self._fates[name] = ELSEWHERE
        self.outcome.exported = Counter(self._fates[name] for name in self.rows)
        self.outcome.n_rows = sum(map(len, self.rows.values()))


def _metadata(
    merged: _Merge, output: Path, shape: str, domain: str, timestamp: str
) -> dict[str, Any]:
    marks = [float(rows[0]["satisfaction"]) for rows in merged.rows.values()]
    versions = Counter(
        name for rows in merged.rows.values() for name in rows[0].get("versions") or ["unknown"]
    )
    sha256, chosen = files.sha256_file(output), asdict(merged.wanted)
    outcome = merged.outcome
    record: dict[str, Any] = files.rounded(
        {
            "id": files.sha256_text(f"{sha256}{files.dump_json(chosen)}")[:16],
            "name": output.name,
            "domain": domain,
            "format": shape,
            "timestamp": timestamp,
            "total": len(merged.rows),
            "rows": outcome.n_rows,
            "mean_satisfaction": sum(marks) / len(marks) if marks else None,
            "answered_by": dict(sorted(versions.items())),
            "filter": chosen,
            "sha256": {"rows": sha256, "filter": files.sha256_text(files.dump_json(chosen))},
            "stored": outcome.n_stored,
            "exported": outcome.exported,
            "rejected": outcome.rejected,
            "taken_out": outcome.taken_out,
            "scrubbed": outcome.scrubbed,
            "changes": outcome.changes,
            "not_scrubbed": OUT_OF_REACH,
        }
    )
    return record

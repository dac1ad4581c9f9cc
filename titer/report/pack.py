"""The reviewer's pack: outputs, marks, prompts' hashes and environment in one zip, and its check.

Invariant: no text of a training row is in it, since abstracts belong to their publishers; what
scoring needs of the rows stands in corpus.json as counts. A pack is data: nothing in it is run, and
nothing of it is written outside a temporary folder.
"""

import errno
import io
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

from titer import files
from titer.config import EvalSettings, PlanSettings
from titer.errors import DataError, FormatError, TiterError
from titer.evaluation import benchmark
from titer.evaluation.seen import Corpus, corpus
from titer.records import Example
from titer.report import outputs, sources

MANIFEST = "manifest.json"
CORPUS = "corpus.json"
ROWS = "data/papers/examples/train.jsonl"
EXTRA = (
    "params.yaml",
    "dvc.yaml",
    "dvc.lock",
    "constraints.txt",
    "results/train_qlora",
    "results/train_full",
    "data/papers/stats.json",
    "data/papers/DATA_CARD.md",
)
"""What a reviewer wants besides what score reads and writes; absent ones are left out."""

LARGEST_FILE = 256 * 2**20
"""Bytes of one unpacked file that a check reads."""
LONGEST_NAME, LONGEST_PART = 500, 200
"""Bytes of a member's name and of each part of it: every system can unpack them."""

FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""Of every member: equal results give equal packs."""

Places = Mapping[str, str]
"""Name that the stage declares -> path below the root."""


@dataclass(frozen=True)
class Checked:
    """What a check of a pack found."""

    n_files: int
    equal: list[str]
    """Files that came out the same when computed again."""
    different: dict[str, str]
    """File -> the first line that differs, as stored and as computed."""


def write(root: Path, out: Path, *, reads: Places, writes: Places, extra: Iterable[str]) -> int:
    """Write the pack and return its number of files.

    Args:
        root: the project's folder, in which score has run.
        out: the zip; replaced whole.
        reads: inputs of score; the folder of papers is taken as counts only.
        writes: outputs of score.
        extra: more files or folders, such as the chosen files of conf/.

    Raises:
        DataError: an output of score is absent.
    """
    lacking = [path for path in writes.values() if not (root / path).is_file()]
    if lacking:
        raise DataError(f"{lacking[0]}: absent, so there is nothing to pack. Run: dvc repro")
    named = [path for name, path in reads.items() if name != "papers"]
    found = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for name in (*named, *writes.values(), *EXTRA, *extra)
        for path in _files(root / name)
    }
    at = SimpleNamespace(**{name: root / path for name, path in reads.items()})
    # the rows that training saw: those too long for the model count as unseen
    seen = sources.read(at).examples
    found[CORPUS] = _json(asdict(corpus(benchmark.facts(at), seen)))
    rows = [Example.from_json(row) for row in files.read_jsonl(root / ROWS)]
    found[ROWS] = "".join(f"{files.dump_json(_without_text(row))}\n" for row in rows).encode()
    hashes = {name: files.sha256_bytes(content) for name, content in sorted(found.items())}
    places = {"reads": dict(reads), "writes": dict(writes)}
    found[MANIFEST] = _json({"sha256": hashes, **places})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as pack:
        for name in sorted(found):
            pack.writestr(zipfile.ZipInfo(name, FIRST_DAY), found[name], zipfile.ZIP_DEFLATED)
    files.write_bytes(out, buffer.getvalue())
    return len(found)


def _files(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else (
        [path] if path.is_file() else []
    )  # fmt: skip


def _json(value: Any) -> bytes:
    return f"{files.dump_json(value, indent=2)}\n".encode()


def _without_text(row: Example) -> dict[str, Any]:
    return row.to_json() | {"messages": [], "title": ""}


def check(
    pack: Path,
    folder: Path,
    *,
    declared: Callable[[Path], tuple[Places, Places]],
    settings: Callable[[Path], outputs.Asked],
) -> Checked:
    """Compute every number of a pack again, without a model, and compare.

    Args:
        pack: the zip.
        folder: an empty folder that it is unpacked into.
        declared: from the unpacked tree to what score reads and writes with its choices. The
            pack's own list is not believed: it could name another file than the one that is read.
        settings: from the unpacked tree to the settings that it was made with.

    Raises:
        FormatError: not a pack, a file that was changed or is lacking, a name that leaves the
            folder or cannot be unpacked, or a place that score does not declare.
    """
    manifest = _unpack(pack, folder)
    try:
        with files.as_written(pack, _AGAIN):
            reads, writes = declared(folder)
            _check_places(pack, manifest, {"reads": reads, "writes": writes})
            for path in reads.values():  # an empty folder is in no zip
                if not PurePosixPath(path).suffix:
                    (folder / path).mkdir(parents=True, exist_ok=True)
            return _compared(manifest, folder, settings)
    except OSError as error:
        place = Path(str(error.filename))
        if not place.is_relative_to(folder) or error.errno not in _NOT_THERE:  # not its fault
            raise
        kind = "folder" if isinstance(error, FileExistsError | NotADirectoryError) else "file"
        raise FormatError(
            f"{pack}: it names {place.relative_to(folder)}, which is no {kind} in it. {_AGAIN}"
        ) from None
    except TiterError as error:
        # where it was unpacked is gone when the line is read
        said = str(error).removeprefix(f"{pack}: ").replace(f"{folder}/", "")
        raise FormatError(f"{pack}: {said}") from error


def _check_places(pack: Path, manifest: Mapping[str, Any], declared: Mapping[str, Places]) -> None:
    for kind, places in declared.items():
        said = manifest[kind]
        name = next((n for n in sorted({*places, *said}) if places.get(n) != said.get(n)), None)
        if name is not None:
            raise FormatError(
                f"{pack}: its {MANIFEST} says {kind}.{name} is {said.get(name)!r}, the stage score "
                f"declares {places.get(name)!r}. {_AGAIN}"
            )


def _compared(
    manifest: Mapping[str, Any], folder: Path, settings: Callable[[Path], outputs.Asked]
) -> Checked:
    at = SimpleNamespace(**{name: folder / path for name, path in manifest["reads"].items()})
    writes = manifest["writes"]
    stored = files.read_json(folder / writes["stats"])
    leaks = files.read_json(folder / writes["contamination"])
    leaks.pop("scores", None)
    counts = Corpus(**files.read_json(folder / CORPUS))
    _, texts = outputs.scored(
        at, settings(folder), leaks, opinions=lambda _: stored.get("judge"), corpus=counts
    )
    kept = {name: (folder / path).read_text(encoding="utf-8") for name, path in writes.items()}
    different = {
        writes[name]: first_difference(kept[name], text)
        for name, text in texts.items()
        if kept[name] != text
    }
    equal = [path for name, path in writes.items() if name in texts and path not in different]
    return Checked(len(manifest["sha256"]), sorted(equal), different)


_AGAIN = "Ask for the pack again, or make it: titer report pack"
_NOT_THERE = (errno.ENOENT, errno.EISDIR, errno.EEXIST, errno.ENOTDIR)
_NO_PACK = (
    OSError, LookupError, ValueError, TypeError, AttributeError, RecursionError, EOFError,
    NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What zipfile and json raise for a damaged, encrypted or foreign file."""


def _unpack(pack: Path, folder: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(pack) as archive:
            members = {one.filename: one for one in archive.infolist()}
            for name, member in members.items():
                _check_member(pack, name, member.file_size)
            _check_clash(pack, members)
            content = {name: archive.read(name) for name in members}
            manifest = json.loads(content.pop(MANIFEST))
            hashes = dict(manifest["sha256"])
            for path in (*manifest["reads"].values(), *manifest["writes"].values()):
                _check_member(pack, path, 0)
    except FileNotFoundError:
        raise FormatError(f"{pack}: no such file") from None
    except _NO_PACK as error:
        raise FormatError(f"{pack}: not a pack of `titer report pack` ({error})") from None
    changed = sorted(
        name
        for name in {*hashes, *content}
        if hashes.get(name) != files.sha256_bytes(content.get(name, b""))
    )
    if changed:
        raise FormatError(f"{pack}: {len(changed)} files are not as packed, first {changed[0]}")
    (folder / ROWS).parent.mkdir(parents=True, exist_ok=True)
    for name, body in content.items():
        files.write_bytes(folder / name, body)
    return dict(manifest)


def _check_member(pack: Path, name: str, size: int) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or name.endswith("/"):
        raise FormatError(f"{pack}: {name!r} would leave the folder")
    longest = max((len(os.fsencode(part)) for part in path.parts), default=0)
    if longest > LONGEST_PART or len(os.fsencode(name)) > LONGEST_NAME:
        raise FormatError(
            f"{pack}: the name {name[:40]!r}... has more than {LONGEST_NAME} bytes, or "
            f"{LONGEST_PART} between two slashes. {_AGAIN}"
        )
    if size > LARGEST_FILE:
        raise FormatError(f"{pack}: {name} has {size} bytes, at most {LARGEST_FILE} are read")


def _check_clash(pack: Path, names: Iterable[str]) -> None:
    """Refuse a name that is a folder of another one, and two spellings of one name."""
    known: dict[PurePosixPath, str] = {}
    for name in (ROWS, *names):
        path = PurePosixPath(name)
        if known.setdefault(path, name) != name:
            raise FormatError(f"{pack}: {known[path]!r} and {name!r} are one file. {_AGAIN}")
    for path, name in known.items():
        for above in path.parents:
            if above in known:
                raise FormatError(
                    f"{pack}: {known[above]!r} is a file, and {name!r} lies in it. {_AGAIN}"
                )


def first_difference(stored: str, computed: str) -> str:
    """Where two texts differ first, with what stands there in each."""
    one, other = stored.splitlines(), computed.splitlines()
    for number, (left, right) in enumerate(zip(one, other, strict=False), 1):
        if left != right:
            pairs = enumerate(zip_longest(left, right))
            at = next(place for place, (a, b) in pairs if a != b)
            shown = [_around(line, at) for line in (left, right)]
            return f"line {number}: {shown[0]!r} stored, {shown[1]!r} computed"
    return f"{len(one)} lines stored, {len(other)} computed"


def _around(line: str, at: int) -> str:
    """At most 80 characters of a line, those about a place."""
    start = max(0, at - 40)
    return ("..." if start else "") + line[start : start + 80].strip()


def asked_from(values: Mapping[str, Any], domain: Mapping[str, Any], root: Path) -> outputs.Asked:
    """The settings of a tree, from its params.yaml and conf/domain/<name>.yaml as plain values."""
    return outputs.Asked(
        plan=PlanSettings(**values["plan"]),
        eval=EvalSettings(**values["eval"]),
        domain_title=str(domain["title"]),
        lexicon=list(domain["lexicon"]),
        entities=list(domain["entities"]),
        wording=dict(domain["wording"]),
        choices={name: str(values[name]) for name in ("model", "domain", "papers", "hardware")},
        trials={arm: int(n) for arm, n in values["score"]["trials"].items()},
        root=root,
    )

"""The benchmark's files: facts, wordings, open questions, general questions and texts, the lock.

Invariant: what a file lacks is refused with path and line, never guessed. Lines that begin with #
in facts.csv are not read.
"""

import csv
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from titer import files
from titer.errors import DataError, FormatError
from titer.evaluation.items import HIDDEN, Templates, is_dev
from titer.records import ClosedItem, Fact, Question

REQUIRED = ("fact_id", "disease", "relation", "answer")
SUBJECT = "subject"
"""What facts.csv and the wordings of a domain without diseases may call the disease."""
LISTS = ("disease_synonyms", "answer_synonyms", "also_true")
TEXTS = ("strength", "source_org", "source_title", "source_year", "verified")
VERIFIED = ("source", "memory")

OPEN = ("id", "category", "difficulty", "question")
"""What every open question has; all else is optional."""

MAX_POINTS = 1000
"""Most that one key point may weigh."""

_SLOT = re.compile(r"\{[^{}]*\}|[{}]")

LOCK = "benchmark.lock.json"
LOCK_VERSION = 1
"""Of the lock's form and of the way in which items are made from the files."""


def load_facts(path: Path) -> list[Fact]:
    """The fact table, in the order of the file; lists are separated by |.

    Raises:
        FormatError: a column or a value is missing, or an id occurs twice; begins with path:line.
    """
    rows = list(_csv_rows(path))
    facts = [_fact(row, f"{path}:{number}") for number, row in rows]
    _check_unique([(fact.fact_id, f"{path}:{n}") for fact, (n, _) in zip(facts, rows, strict=True)])
    return facts


def _csv_rows(path: Path) -> Iterable[tuple[int, dict[str, str]]]:
    lines = files.read_text(path).splitlines()
    numbered = [(n, line) for n, line in enumerate(lines, 1) if line and not line.startswith("#")]
    if not numbered:
        raise FormatError(f"{path}:1: no header. Columns: {', '.join(REQUIRED)}, ...")
    first = numbered[0][0]
    columns = [_column(name) for name in _cells(numbered[0][1], f"{path}:{first}")]
    absent = [name for name in REQUIRED if name not in columns]
    if absent:
        raise FormatError(f"{path}:{first}: no column {', '.join(absent)}")
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise FormatError(f"{path}:{first}: column {twice[0]} stands there twice. Keep one")
    for number, line in numbered[1:]:
        cells = _cells(line, f"{path}:{number}")
        if len(cells) != len(columns):
            raise FormatError(f"{path}:{number}: {len(cells)} cells, expected {len(columns)}")
        yield number, dict(zip(columns, (cell.strip() for cell in cells), strict=True))


def _cells(line: str, where: str) -> list[str]:
    try:
        return next(csv.reader([line]))
    except csv.Error as error:
        raise FormatError(f"{where}: no CSV: {error}") from None


def _column(name: str) -> str:
    return name.replace(SUBJECT, "disease") if name in (SUBJECT, f"{SUBJECT}_synonyms") else name


def _fact(row: Mapping[str, str], where: str) -> Fact:
    for name in REQUIRED:
        if not row[name]:
            raise FormatError(f"{where}: {name} is empty")
    texts = {name: row.get(name, "") for name in TEXTS}
    texts["verified"] = texts["verified"] or "memory"
    if texts["verified"] not in VERIFIED:
        raise FormatError(f"{where}: verified is {texts['verified']!r}, allowed: source, memory")
    lists = {name: _split(row.get(name, "")) for name in LISTS}
    return Fact(**{name: row[name] for name in REQUIRED}, **texts, **lists)  # type: ignore[arg-type]


def _split(cell: str) -> list[str]:
    return [part.strip() for part in cell.split("|") if part.strip()]


def _check_unique(ids: Iterable[tuple[str, str]]) -> None:
    seen: dict[str, str] = {}
    for key, where in ids:
        if key in seen:
            raise FormatError(f"{where}: id {key} stands already at {seen[key]}. Choose a new id")
        seen[key] = where


def load_templates(path: Path) -> dict[str, Templates]:
    """The wordings by relation.

    Raises:
        FormatError: not a YAML mapping of relations, or a wording lacks its placeholder or has
            another.
    """
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise FormatError(f"{path}:1: expected a mapping from relations to wordings")
    return {str(name): _templates(body, f"{path}: {name}") for name, body in content.items()}


def read_yaml(path: Path) -> Any:
    """The value of a YAML file.

    Raises:
        FormatError: missing, no UTF-8 or no YAML; begins with path:line.
    """
    import yaml

    try:
        return yaml.safe_load(files.read_text(path))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise FormatError(f"{path}:{line}: not YAML: {getattr(error, 'problem', error)}") from None


def _templates(body: Any, where: str) -> Templates:
    if not isinstance(body, dict):
        raise FormatError(f"{where}: a {type(body).__name__}, expected lists of wordings by kind")
    wanted = {
        "statements": ("{disease}", "{answer}"),
        "questions": ("{disease}",),
        "reverse": ("{answer}",),
    }
    for name in wanted:
        _check(isinstance(body.get(name) or [], list), body, name, where, "a list of wordings")
    lists = {
        name: tuple(str(text).replace("{subject}", "{disease}") for text in body.get(name) or ())
        for name in wanted
    }
    if not lists["questions"]:
        raise FormatError(f"{where}: no questions. At least one wording is needed")
    for name, placeholders in wanted.items():
        for text in lists[name]:
            absent = [word for word in placeholders if word not in text]
            if absent:
                raise FormatError(f"{where}: {name}: {text!r} lacks {' and '.join(absent)}")
            check_slots(text, placeholders, f"{where}: {name}")
    hidden = str(body.get("hidden") or HIDDEN)
    return Templates(str(body.get("label", "")), hidden=hidden, **lists)


def check_slots(text: str, allowed: Collection[str], where: str) -> None:
    """Refuse a wording with a brace that nothing would fill.

    Args:
        allowed: such as {answer}, the braces included.
    Raises:
        FormatError: with the first other one.
    """
    if strange := [slot for slot in _SLOT.findall(text) if slot not in allowed]:
        known = ", ".join(sorted(allowed))
        raise FormatError(
            f"{where}: {text!r} has {strange[0]}, which nothing fills. Known: {known}"
        )


def load_general(path: Path) -> list[ClosedItem]:
    """Closed everyday questions, `{id, category, question, choices, gold, relation}` per line.

    Raises:
        FormatError: a key is missing or of another type, or gold is no index of choices.
    """
    rows = _jsonl_rows(path, ("id", "category", "question", "choices", "gold"))
    for row, where in rows:
        _check_texts(row, ("id", "category", "question", "relation"), where)
    return [_general_item(row, where) for row, where in rows]


def _general_item(row: Mapping[str, Any], where: str) -> ClosedItem:
    choices, gold = row["choices"], row["gold"]
    if (
        not isinstance(choices, list)
        or type(gold) is not int  # true and false are of a class below int
        or gold not in range(len(choices))
    ):
        raise FormatError(f"{where}: gold is {gold!r}, expected an index of choices")
    return ClosedItem(
        id=row["id"],
        set="general",
        question=row["question"],
        candidates=[str(choice) for choice in choices],
        gold=gold,
        cluster=row["category"],
        relation=row.get("relation") or row["category"],
    )


def load_texts(path: Path) -> list[dict[str, str]]:
    """General texts for bits per byte, `{id, genre, text}` per line.

    Raises:
        FormatError: a key is missing, empty or no text, or an id occurs twice.
    """
    names = ("id", "genre", "text")
    rows = _jsonl_rows(path, names)
    for row, where in rows:
        _check_texts(row, names, where)
    return [{name: row[name] for name in names} for row, _ in rows]


def load_questions(path: Path) -> list[Question]:
    """Open questions from JSON (a list) or JSONL; four keys are required, all others optional.

    Raises:
        FormatError: a key is missing, empty or of another type, or an id occurs twice.
    """
    rows = _jsonl_rows(path, OPEN)
    for row, where in rows:
        _check_question(row, where)
    return [Question.from_json(row) for row, _ in rows]


def _check_question(row: Mapping[str, Any], where: str) -> None:
    """Refuse what only scoring would stumble over, hours after the question was asked."""
    _check_texts(row, (*OPEN, "type", "reference_answer"), where)
    for name, kind in (("key_points", dict), ("must_not", dict), ("sources", dict), ("tags", str)):
        what = "a list of objects" if kind is dict else "a list of texts"
        is_right = _is_list_of(row.get(name, []), kind)
        _check(is_right, row, name, where, what)
    seen: set[str] = set()  # clinicians' verdicts name a point by its id alone
    for name in ("key_points", "must_not"):
        for number, point in enumerate(row.get(name, []), 1):
            entry = f"{where}: {name}, entry {number}"
            _check_point(point, entry)
            _check_points(point, entry, sign=1 if name == "key_points" else -1)
            if point["id"] in seen:
                raise FormatError(
                    f"{entry}: id {point['id']} is that of another key point or must-not statement "
                    "of this question. Give each its own"
                )
            seen.add(point["id"])


def _check_point(point: Mapping[str, Any], where: str) -> None:
    _check(isinstance(point.get("id"), str), point, "id", where, "a text")
    _check_texts(point, ("text",), where)
    any_of: Any = point.get("any_of")
    is_right = _is_list_of(any_of, list) and all(_is_list_of(phrases, str) for phrases in any_of)
    _check(is_right, point, "any_of", where, "a list of lists of phrases")


def _check_points(point: Mapping[str, Any], where: str, *, sign: int) -> None:
    """Refuse weights that make a recall above 1, or one of nothing."""
    points: Any = point.get("points", sign)
    is_number = isinstance(points, int | float) and not isinstance(points, bool)
    is_right = is_number and 0 < points * sign <= MAX_POINTS
    allowed = f"above 0 to {MAX_POINTS}" if sign > 0 else f"from -{MAX_POINTS} to below 0"
    _check(is_right, point, "points", where, f"a number {allowed}")


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def _check_texts(row: Mapping[str, Any], names: Iterable[str], where: str) -> None:
    """Refuse other types; an absent or null value is for `_jsonl_rows` to judge."""
    for name in names:
        _check(isinstance(row.get(name) or "", str), row, name, where, "a text")


def _check(is_right: bool, row: Mapping[str, Any], name: str, where: str, expected: str) -> None:
    if not is_right:
        seen = f"{row[name]!r:.60}" if name in row else "absent"
        raise FormatError(f"{where}: {name} is {seen}, expected {expected}")


def _jsonl_rows(path: Path, required: Sequence[str]) -> list[tuple[dict[str, Any], str]]:
    """Rows that hold the required keys, each with where it stands."""
    rows = _list_rows(path) if _is_list(path) else _line_rows(path)
    for row, where in rows:
        for name in required:
            if row.get(name) in (None, ""):
                keys = ", ".join(sorted(row))
                raise FormatError(f'{where}: no "{name}" (keys: {keys}). Add it')
    _check_unique([(str(row["id"]), where) for row, where in rows])
    return rows


def _is_list(path: Path) -> bool:
    return files.read_text(path).lstrip().startswith("[")


def _line_rows(path: Path) -> list[tuple[dict[str, Any], str]]:
    numbers = [n for n, line in enumerate(files.read_text(path).split("\n"), 1) if line.strip()]
    return [(row, f"{path}:{n}") for n, row in zip(numbers, files.read_jsonl(path), strict=True)]


def _list_rows(path: Path) -> list[tuple[dict[str, Any], str]]:
    rows = files.read_json(path)
    places = [f"{path}: entry {number}" for number in range(1, len(rows) + 1)]
    for row, where in zip(rows, places, strict=True):
        if not isinstance(row, dict):
            raise FormatError(f"{where}: a {type(row).__name__}, expected an object")
    return list(zip(rows, places, strict=True))


def benchmark_lock(folder: Path, general_folder: Path) -> dict[str, Any]:
    """What the benchmark consists of: sha256 of every file, and counts.

    Args:
        folder: of the domain; its lock itself is left out.
        general_folder: of the questions and texts that serve all domains.
    """
    paths = {f"{folder.name}/{p.name}": p for p in sorted(folder.iterdir()) if p.name != LOCK}
    paths |= {f"{general_folder.name}/{p.name}": p for p in sorted(general_folder.iterdir())}
    hashes = {name: files.sha256_file(path) for name, path in paths.items() if path.is_file()}
    return {
        "version": LOCK_VERSION,
        "files": hashes,
        "counts": _counts(folder, general_folder),
    }


def _counts(folder: Path, general_folder: Path) -> dict[str, int]:
    facts = load_facts(folder / "facts.csv") if (folder / "facts.csv").exists() else []
    counts = {
        "facts": len(facts),
        "diseases": len({fact.disease for fact in facts}),
        "relations": len({fact.relation for fact in facts}),
        "facts_from_memory": sum(fact.verified == "memory" for fact in facts),
        "dev_facts": sum(is_dev(fact.disease) for fact in facts),
    }
    for path in (folder / "open.jsonl", folder / "safety.jsonl"):
        counts[path.stem] = len(load_questions(path)) if path.exists() else 0
    for path in (general_folder / "general.jsonl", general_folder / "ood_texts.jsonl"):
        counts[path.stem] = len(_jsonl_rows(path, ("id",))) if path.exists() else 0
    return counts


def check_lock(folder: Path, general_folder: Path) -> None:
    """Compare the lock with the files.

    Raises:
        DataError: the lock is missing or stale; the text names the files and the command.
    """
    command = "Run: titer benchmark lock"
    path = folder / LOCK
    if not path.is_file():
        raise DataError(f"{path}: no such file. {command}")
    locked, found = files.read_json_object(path), benchmark_lock(folder, general_folder)
    if locked == found:
        return
    known = locked.get("files")
    old, new = known if isinstance(known, dict) else {}, found["files"]
    changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    raise DataError(f"{path}: stale ({', '.join(changed) or 'counts or version'}). {command}")

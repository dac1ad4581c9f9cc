"""`titer conversations import|list|show|rate|forget|export`: chats with consent and ratings."""

import argparse
import contextlib
import datetime
import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from titer.cli.places import short
from titer.conversations.place import URL, is_there, place

if TYPE_CHECKING:
    from titer.conversations.exporting import Outcome
    from titer.conversations.store import Store

MAX_SHOWN = 20
CHUNK = 200
"""Conversations per transaction of an import: others can write in between."""


def add(commands: Any) -> None:
    """Add the commands."""
    parser = commands.add_parser(
        "conversations",
        help="keep rated chats with consent, forget them, export them as training rows",
        description="Keep rated chats with consent, forget them, and export them as training "
        "rows. They lie in conversations/store.db, which Git ignores, or in the PostgreSQL "
        f"database whose URL is in {URL}. Example: titer conversations export --since 2026-11-01",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="verb", required=True)
    _add_import(verbs)
    _add_export(verbs)
    for name, function, text in (
        ("list", list_all, "the newest conversations, without what was said"),
        ("show", show, "one conversation with its ratings"),
        ("rate", rate, "rate a conversation or one answer of it"),
        ("forget", forget, "delete a conversation for good; a tombstone without content stays"),
    ):
        verb = verbs.add_parser(name, help=text, description=f"{text}.")
        verb.set_defaults(run=function)
        if name == "list":
            verb.add_argument("--domain", help="default: all")
            verb.add_argument("--limit", type=int, default=50, help="default: 50")
        else:
            verb.add_argument("id", help="as `titer conversations list` gives it")
        if name == "rate":
            verb.add_argument("--satisfaction", type=float, help="0 to 1")
            verb.add_argument("--thumbs", choices=("up", "down"), help="in place of a number")
            verb.add_argument("--comment", help="kept with the rating")
            verb.add_argument("--turn", type=int, help="number of an answer as `show` gives it")
        if name == "forget":
            verb.add_argument(
                "--reason", default="consent withdrawn", help="kept in the tombstone; no names"
            )


def _add_import(verbs: Any) -> None:
    text = "keep the conversations of chat or ShareGPT files"
    verb = verbs.add_parser(
        "import",
        help=text,
        description=f"{text}: one row per line or one JSON list. No row is kept without consent: "
        "its own (`consent: {at, how}`) or that of the command. Example: titer conversations "
        "import chats.jsonl --consent 'tick box of the chat page' --consent-date 2026-11-01",
    )
    verb.add_argument("files", type=Path, nargs="+", metavar="FILE", help="JSONL or JSON")
    verb.add_argument("--domain", help="of rows that name none; default: that of params.yaml")
    verb.add_argument("--consent", metavar="HOW", help="how consent was given, for rows without it")
    verb.add_argument("--consent-date", metavar="DATE", help="when; needed with --consent")
    verb.add_argument("--served", metavar="VERSION", help="model and version that answered")
    verb.set_defaults(run=import_files)


def _add_export(verbs: Any) -> None:
    text = "write rated conversations as training rows, personal data scrubbed"
    verb = verbs.add_parser(
        "export",
        help=text,
        description=f"{text}: those that training reads (chat) into data/own/<domain>/training, "
        "other forms into exports/<domain>. An earlier export there is merged. Example: "
        " titer conversations export --since 2026-11-01",
    )
    verb.add_argument("--domain", help="default: that of params.yaml")
    forms = ("chat", "alpaca", "sharegpt", "satisfaction")
    verb.add_argument("--format", choices=forms, default="chat", help="default: chat")
    verb.add_argument("--output", type=Path, help="file to write instead")
    verb.add_argument("--min-satisfaction", type=float, default=0.8, help="default: 0.8")
    verb.add_argument("--min-length", type=int, default=20, help="characters; default: 20")
    verb.add_argument("--max-length", type=int, default=3_000, help="characters; default: 3000")
    verb.add_argument("--min-turns", type=int, default=2, help="messages; default: 2")
    verb.add_argument("--limit", type=int, default=1_000, help="the newest; default: 1000")
    verb.add_argument("--since", metavar="DATE", help="only conversations begun then or later")
    switch = argparse.BooleanOptionalAction
    verb.add_argument("--positive-only", action=switch, default=True, help="mean of at least 0.5")
    verb.add_argument("--exclude-negative", action=switch, default=True, help="no bad rating")
    verb.set_defaults(run=export)


def _place() -> Path | str:
    from titer import runner

    return place(runner.ROOT)


def has_store() -> bool:
    """Whether there is a store, or one is named."""
    return is_there(_place())


@contextlib.contextmanager
def opened_store() -> Iterator["Store"]:
    """The store of the project or of the environment, closed afterwards."""
    from titer.conversations.store import Store

    with contextlib.closing(Store(_place())) as store:
        yield store


def now() -> str:
    """This moment, ISO 8601, UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat()


def import_files(arguments: argparse.Namespace) -> None:
    """Keep the conversations of files; rows without consent or with a fault are named.

    Raises:
        TiterError: a file or the store cannot be used; what was kept before stays kept.
    """
    from titer.cli.domain import chosen
    from titer.conversations.chats import Consent, Conversation, utc
    from titer.conversations.reading import Fault, Given, read
    from titer.errors import ConfigError

    if (arguments.consent is None) != (arguments.consent_date is None):
        raise ConfigError("--consent and --consent-date belong together: how and when it was given")
    how = arguments.consent
    consent = None if how is None else Consent(utc(arguments.consent_date), how)
    given = Given(chosen(arguments.domain), consent, arguments.served)
    faults: list[Fault] = []
    counts: Counter[str] = Counter()
    found = itertools.chain.from_iterable(read(path, given) for path in arguments.files)
    with opened_store() as store:
        for part in iter(lambda: list(itertools.islice(found, CHUNK)), []):
            counts += store.put(row for row in part if isinstance(row, Conversation))
            faults += [row for row in part if isinstance(row, Fault)]
    for fault in faults[:MAX_SHOWN]:
        print(f"left out {fault.place}: {fault.reason}")
    if len(faults) > MAX_SHOWN:
        print(f"left out {len(faults) - MAX_SHOWN:,} more")
    _table({**dict(sorted(counts.items())), "left out": len(faults)})


def list_all(arguments: argparse.Namespace) -> None:
    """Print one line per conversation, the newest first.

    Raises:
        ConfigError: a limit below 1.
    """
    from titer.errors import ConfigError

    if arguments.limit < 1:
        raise ConfigError(f"--limit {arguments.limit}: expected at least 1")
    with opened_store() as store:
        with contextlib.closing(store.newest_first(arguments.domain)) as rows:
            newest = list(itertools.islice(rows, arguments.limit))
        n_all, n_forgotten = store.count(arguments.domain), len(store.forgotten())
    for row in newest:
        mean = row.satisfaction()
        mark = "not rated" if mean is None else f"{mean:.2f}"
        agreed = "consent" if row.consent else "NO CONSENT"
        facts = (row.id, row.domain, row.created_at, f"{len(row.turns)} turns", mark, agreed)
        print(visible("  ".join([*facts, row.version or "version unknown"])))
    print(f"{n_all:,} conversations; {n_forgotten:,} forgotten ever")


def show(arguments: argparse.Namespace) -> None:
    """Print a conversation.

    Raises:
        DataError: there is none of that id.
    """
    with opened_store() as store:
        row = store.get(arguments.id)
    said = f"{row.consent.at}, {row.consent.how}" if row.consent else "NONE"
    print(visible(f"{row.id}  {row.domain}  {row.created_at}  {row.version or 'version unknown'}"))
    print(visible(f"consent: {said}"))
    for number, turn in enumerate(row.turns):
        print(visible(f"\n[{number}] {turn.role}: {turn.content}"))
    for rating in row.ratings:
        about = "the whole" if rating.turn is None else f"turn {rating.turn}"
        words = f"\nrating of {about}: {rating.score:g} {rating.comment or ''}"
        print(visible(words.rstrip()))


def rate(arguments: argparse.Namespace) -> None:
    """Add a rating.

    Raises:
        DataError: no such conversation or turn, or a value out of range.
    """
    from titer.conversations.chats import Rating

    given = (arguments.satisfaction, arguments.thumbs, arguments.comment, arguments.turn)
    with opened_store() as store:
        store.rate(arguments.id, Rating(*given, at=now()))
        mean = store.get(arguments.id).satisfaction()
    print(f"{arguments.id}: satisfaction is now {mean:.2f}")


def forget(arguments: argparse.Namespace) -> None:
    """Delete a conversation and say where else it may still be.

    Raises:
        DataError: there is none of that id.
    """
    from titer import runner
    from titer.conversations.exporting import holding

    with opened_store() as store:
        stone = store.forget(arguments.id, at=now(), reason=arguments.reason)
    print(f"{stone.id}: {stone.n_turns} turns deleted; a tombstone without content stays")
    if not stone.is_erased:
        print("the database still holds its bytes until it is vacuumed; backups hold them too")
    for folder in (runner.ROOT / "data" / "own", runner.ROOT / "exports"):
        for path in holding(folder, arguments.id):
            print(f"still in {short(path)}: the next export there takes it out")
    print("A model trained on it keeps what it learned; train again without it: dvc repro")


def export(arguments: argparse.Namespace) -> None:
    """Write the chosen conversations, and print what was chosen and what was not and why.

    Raises:
        TiterError: an option out of range, a file that is no export, or nothing chosen.
    """
    from titer import runner
    from titer.cli.domain import chosen
    from titer.conversations import exporting, shapes
    from titer.conversations.filters import Filter
    from titer.conversations.scrub import OUT_OF_REACH
    from titer.errors import DataError

    domain = chosen(arguments.domain)
    is_trained_on = arguments.format == exporting.TRAINED_ON
    place = f"data/own/{domain}/training" if is_trained_on else f"exports/{domain}"
    output = arguments.output or runner.ROOT / place / shapes.SHAPES[arguments.format].name
    wanted = Filter(
        min_satisfaction=arguments.min_satisfaction,
        min_length=arguments.min_length,
        max_length=arguments.max_length,
        min_turns=arguments.min_turns,
        positive_only=arguments.positive_only,
        exclude_negative=arguments.exclude_negative,
        limit=arguments.limit,
        since=arguments.since,
    )
    with opened_store() as store:
        outcome = exporting.export(
            store, domain, output, shape=arguments.format, wanted=wanted, now=now()
        )
    _print_outcome(outcome)
    if outcome.metadata is None:
        raise DataError(f"no conversation of {domain!r} passes; nothing was written")
    print(f"\n{short(output)}: rows {outcome.n_rows:,}")
    print(f"{short(outcome.metadata)}: filter, counts, hashes")
    print(OUT_OF_REACH)


def _print_outcome(outcome: "Outcome") -> None:
    print(f"{outcome.n_stored:,} conversations in the store")
    for title, counts in (
        ("exported", outcome.exported),
        ("not exported", outcome.rejected),
        ("of the last export", outcome.taken_out),
        ("scrubbed", outcome.scrubbed),
        ("changed", outcome.changes),
    ):
        if counts:
            print(f"\n{title}")
            _table(dict(counts.most_common()))


def _table(counts: dict[str, int]) -> None:
    width = max(map(len, counts))
    for name, number in counts.items():
        print(f"  {name:<{width}}  {number:>7,}")


def visible(text: str) -> str:
    """Control characters spelled out: a message must not steer the terminal that shows it."""
    return "".join(
        sign if sign.isprintable() or sign == "\n" else repr(sign)[1:-1] for sign in text
    )

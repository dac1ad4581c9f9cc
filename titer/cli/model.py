"""`titer model register|list|show|activate|rollback|compare|retire|pull`: versions of models."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from titer.cli import conversations
from titer.cli.places import short

if TYPE_CHECKING:
    from titer.registry.names import Name, Number
    from titer.registry.tags import History, Version

BLOCKS = {
    "primary": "the plan's endpoint",
    "seen": "facts that the second's papers state",
    "unseen": "facts that they do not state",
    "keypoint_recall": "share of key points stated",
    "ref_bpb": "bits per byte of reference answers",
    "general": "general questions",
    "bpb_ood": "bits per byte of general texts",
}
"""Blocks of a comparison in words, in the order of the table."""


def add(commands: Any) -> None:
    """Add the commands."""
    parser = commands.add_parser(
        "model",
        help="register judged models as versions, activate, compare, roll back, pull",
        description="Keep judged fine-tunes as versions: Git tags of GTO, files of DVC. Example: "
        "titer model register autoimmune-qlora --description 'first run on 2026 papers'",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="verb", required=True)
    for name, function, wanted, text in (
        ("register", register, "name", "make the present commit a version, numbered by its change"),
        ("list", list_all, None, "all versions with verdict, score and state"),
        ("show", show, "version", "one version: origin, verdict, metrics, activations, use"),
        ("activate", activate, "version", "let a version serve; a bad verdict needs --force"),
        ("rollback", rollback, "name", "let the version serve that served before"),
        ("compare", compare, None, "B minus A on the same questions, paired, with intervals"),
        ("retire", retire, "version", "take a version out of use; nothing is deleted"),
        ("pull", pull, "version", "bring a version's model from the cache or the DVC remote"),
    ):
        verb = verbs.add_parser(name, help=text, description=f"{text}.")
        verb.set_defaults(run=function)
        if wanted == "name":
            verb.add_argument("name", help="<domain>-qlora or <domain>-full")
        elif wanted:
            or_name = "" if name in ("activate", "retire") else ", or a name: the active one"
            verb.add_argument("version", help=f"autoimmune-qlora@v1.0.0{or_name}")
        _add_options(verb, name)


def _add_options(verb: argparse.ArgumentParser, name: str) -> None:
    if name == "register":
        verb.add_argument("--description", required=True, help="a line for people")
    if name == "compare":
        verb.add_argument(
            "first", metavar="A", help="autoimmune-qlora@v1.0.0, or a name: the active one"
        )
        verb.add_argument("second", metavar="B", help="the newer one: its plan and choices count")
    if name in ("activate", "retire"):
        verb.add_argument("--force", action="store_true", help="recorded in the tag")
    if name in ("activate", "rollback", "retire"):
        verb.add_argument("--reason", default="", help="recorded in the tag")
    if name == "pull":
        verb.add_argument("--out", type=Path, help="default: registered/<name>/<version>")


def register(arguments: argparse.Namespace) -> None:
    """Tag the present commit.

    Raises:
        TiterError: uncommitted changes, nothing judged, nothing new, or a wrong name.
    """
    from titer import runner
    from titer.registry import registering
    from titer.registry.names import parse_name

    name = parse_name(arguments.name, _domains())
    version, why = registering.register(
        runner.ROOT, name, domain=runner.load_params()[0]["domain"],
        description=arguments.description,
    )  # fmt: skip
    print(f"{version}: {why}; verdict {version.record.verdict}")
    print(f"share it: dvc push, then git push origin '{version}'")


def list_all(arguments: argparse.Namespace) -> None:
    """Print one line per version of every name that has one."""
    from titer.registry.names import ARMS, Name

    names = [Name(domain, arm) for domain in _domains() for arm in ARMS]
    found = [history for name in names if (history := _history(name)).versions]
    rows = [_row(history, one) for history in found for one in reversed(history.versions.values())]
    if not rows:
        print("no version yet. After dvc repro and git commit: titer model register")
        return
    head = ("version", "state", "registered", "verdict", "score", "description")
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def _row(history: "History", version: "Version") -> Sequence[str]:
    record = version.record
    return (
        str(version), _state(history, version), version.registered_at[:10], _line(record.verdict),
        _score(record.metrics), _line(record.description),
    )  # fmt: skip


def _line(text: str) -> str:
    """Words of a tag, which any program may write: on one line, control characters spelled out."""
    return conversations.visible(" ".join(text.split()))


def _state(history: "History", version: "Version") -> str:
    if version.retired is not None:
        return "retired"
    return "ACTIVE" if history.active == version else "-"


def _score(metrics: dict[str, Any]) -> str:
    if "score" not in metrics:
        return "-"
    ends = ""
    if {"score_low", "score_high"} <= metrics.keys():
        ends = f" ({metrics['score_low']:.3f} to {metrics['score_high']:.3f})"
    return f"{metrics['score']:.3f}{ends}"


def show(arguments: argparse.Namespace) -> None:
    """Print a version.

    Raises:
        TiterError: there is none, or a name alone without an active version.
    """
    history, version = _wanted(arguments.version)
    record, base = version.record, version.record.base
    facts = {
        "state": _state(history, version) + (f": {version.retired}" if version.retired else ""),
        "description": record.description,
        "registered": f"{version.registered_at} by {version.by}",
        "commit": version.commit,
        "base": f"{base['id']}, revision {base['revision'] or 'none'}, licence {record.licence}",
        "base weights": base["weights_sha256"] or "none",
        "training data": record.data_sha256 or "unknown: trained elsewhere",
        "plan": record.plan_sha256,
        "weights": f"{record.weights_sha256} ({record.precision} when judged)",
        "verdict": f"{record.verdict}. {record.sentence}",
        "endpoint": f"{record.endpoint}, {_score(record.metrics)}",
        **{name: f"{value:g}" for name, value in sorted(record.metrics.items())},
        **_use(version),
    }
    print(version)
    for label, value in facts.items():
        print(f"  {_line(label):<17} {_line(value)}")
    for event in history.activations:
        if event.number == version.number:
            forced = " BY FORCE" if event.forced else ""
            words = f"{event.action}{forced}, {event.verdict}, by {event.by}. {event.reason}"
            print(f"  {event.at}  {_line(words)}".rstrip(". "))


def _use(version: "Version") -> dict[str, str]:
    """Conversations and satisfaction, counted now."""
    from tqdm.auto import tqdm

    from titer.conversations.served import Served, by_version

    if not conversations.has_store():
        return {"conversations": "no store"}
    domain = version.name.domain
    with conversations.opened_store() as store:
        rows = tqdm(store.newest_first(domain), "conversations", store.count(domain), delay=5)
        found = by_version(rows).get(str(version), Served())
    mean = "not rated" if found.satisfaction is None else f"{found.satisfaction:.2f}"
    return {
        "conversations": f"{found.n_conversations:,}",
        "satisfaction": f"{mean} ({len(found.scores):,} ratings)",
    }


def activate(arguments: argparse.Namespace) -> None:
    """Let a version serve.

    Raises:
        TiterError: no such version, or one that may not serve.
    """
    from titer import runner
    from titer.registry import activation

    name, number = _numbered(arguments.version)
    version = activation.activate(
        runner.ROOT, name, number, force=arguments.force, reason=arguments.reason
    )
    forced = "" if version.record.is_fit else " BY FORCE, which its tag records"
    print(f"{version} is active{forced}; verdict {_line(version.record.verdict)}")


def rollback(arguments: argparse.Namespace) -> None:
    """Go back to the version that served before.

    Raises:
        TiterError: there is none.
    """
    from titer import runner
    from titer.registry import activation
    from titer.registry.names import parse_name

    name = parse_name(arguments.name, _domains())
    left, version = activation.rollback(runner.ROOT, name, reason=arguments.reason)
    verdict = _line(version.record.verdict)
    print(f"{version} is active again, {left} is not; verdict {verdict}")


def compare(arguments: argparse.Namespace) -> None:
    """Print the paired comparison of two versions.

    Raises:
        TiterError: no such version, or results that neither cache nor remote has.
    """
    from titer import runner
    from titer.registry import comparison

    first, second = (_wanted(text)[1] for text in (arguments.first, arguments.second))
    found = comparison.compare(runner.ROOT, first, second)
    level = 100 * (1 - found["plan"]["alpha"])
    print(f"A {first}: {_line(first.record.verdict)} against its base")
    print(f"B {second}: {_line(second.record.verdict)} against its base\n")
    print(f"{'':<38}{'n':>5}{'A':>9}{'B':>9}{'B - A':>9}   {level:g} % interval           p")
    for name, title in BLOCKS.items():
        if found["blocks"][name]:
            print(_block(title, found["blocks"][name]))
    print("\nOf bits per byte less is better; for general texts B / A stands for B - A.")
    print(f"On the plan's endpoint ({found['plan']['primary']}): {found['decision']}.")
    for note in (*found["notes"], *(g["detail"] for g in found["gates"] if g["failed"])):
        print(f"note: {note}")


def _block(title: str, block: dict[str, Any]) -> str:
    """A row; of general texts the third number is a ratio, as the evaluation defines it."""
    if "ratio" in block:
        delta, ends = f"x{block['ratio']:.3f}", f"x{block['low']:.3f} to x{block['high']:.3f}"
    else:
        delta, ends = f"{block['delta']:+.3f}", f"{block['low']:+.3f} to {block['high']:+.3f}"
    numbers = f"{block['n']:>5}{block['base']:>9.3f}{block['arm']:>9.3f}{delta:>9}"
    return f"{title:<38}{numbers}   {ends}  {_p(block.get('p')):>7}"


def _p(value: float | None) -> str:
    if value is None:
        return "-"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def retire(arguments: argparse.Namespace) -> None:
    """Take a version out of use.

    Raises:
        TiterError: no such version, or it serves.
    """
    from titer import runner
    from titer.registry import activation

    name, number = _numbered(arguments.version)
    version = activation.retire(
        runner.ROOT, name, number, reason=arguments.reason, force=arguments.force
    )
    print(f"{version} is retired: {version.retired}")


def pull(arguments: argparse.Namespace) -> None:
    """Bring a version's model.

    Raises:
        TiterError: no such version, or neither cache nor remote has it whole.
    """
    from titer import runner
    from titer.registry import pulling

    _, version = _wanted(arguments.version)
    folder, is_new = pulling.pull(runner.ROOT, version, arguments.out)
    print(f"{version}: {short(folder)}, {'brought and checked' if is_new else 'there and whole'}")


def _domains() -> Sequence[str]:
    """Those of conf/, then those of versions whose file there was renamed or deleted."""
    from titer import runner
    from titer.registry import tags

    chosen = runner.groups()["domain"]
    tagged = dict.fromkeys(name.domain for name in tags.names(runner.ROOT))
    return [*chosen, *(domain for domain in tagged if domain not in chosen)]


def _history(name: "Name") -> "History":
    from titer import runner
    from titer.registry import tags

    return tags.read(runner.ROOT, name)


def _wanted(text: str) -> "tuple[History, Version]":
    """The version that a text names; of a name alone the active one."""
    from titer.errors import NotFound
    from titer.registry.names import parse

    name, number = parse(text, _domains())
    history = _history(name)
    if number is not None:
        return history, history.get(number)
    if history.active is None:
        raise NotFound(f"{name}: no version is active. Name one, see: titer model list")
    return history, history.active


def _numbered(text: str) -> "tuple[Name, Number]":
    from titer.errors import ConfigError
    from titer.registry.names import parse

    name, number = parse(text, _domains())
    if number is None:
        raise ConfigError(f"{text}: which version? Write {text}@v1.0.0; see: titer model list")
    return name, number

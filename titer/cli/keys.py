"""`titer keys add|list|revoke`: who may ask the gateway, and about what."""

import argparse
import datetime
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the commands."""
    parser = commands.add_parser(
        "keys",
        help="make, list and revoke the keys of titer serve",
        description="Make, list and revoke the keys of the gateway. What is kept is a hash, in "
        "serving/keys.json, which Git ignores and only its owner may read. A running gateway "
        "sees every change with its next request. Example: titer keys add anna --domain autoimmune",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="verb", required=True)
    text = "make a key and print it, once"
    verb = verbs.add_parser("add", help=text, description=f"{text}.")
    verb.add_argument("owner", help="who gets it; stands in lists")
    which = verb.add_mutually_exclusive_group()
    which.add_argument(
        "--domain", dest="domains", action="append", help="that it opens; may stand several times"
    )
    which.add_argument("--all-domains", action="store_true", help="those to come included")
    verb.add_argument("--admin", action="store_true", help="may start pipeline runs")
    verb.add_argument("--days", type=int, help="until it expires; default: never")
    verb.set_defaults(run=add_key)
    text = "all keys: id, owner, domains, state; never the key itself"
    verb = verbs.add_parser("list", help=text, description=f"{text}.")
    verb.set_defaults(run=list_all)
    text = "end a key; it is refused from the next request on"
    verb = verbs.add_parser("revoke", help=text, description=f"{text}.")
    verb.add_argument("id", help="as `titer keys list` gives it")
    verb.set_defaults(run=revoke)


def _file() -> Path:
    from titer import runner
    from titer.serving.keys import FILE

    return runner.ROOT / FILE


def add_key(arguments: argparse.Namespace) -> None:
    """Make a key.

    Raises:
        TiterError: no such domain, no name, or a file that cannot be used.
    """
    from titer import runner
    from titer.errors import ConfigError, did_you_mean
    from titer.serving import keys

    known = runner.groups()["domain"]
    wanted = [keys.ALL] if arguments.all_domains else arguments.domains or []
    for domain in arguments.domains or []:
        if domain not in known:
            raise ConfigError(
                f"--domain {domain}: no such domain{did_you_mean(domain, known)}; "
                f"there are {', '.join(known)}"
            )
    if not wanted and not arguments.admin:
        raise ConfigError("a key that opens nothing: give --domain, --all-domains or --admin")
    expires = None
    if arguments.days is not None:
        if not 1 <= arguments.days <= 3_650:
            raise ConfigError(f"--days {arguments.days}: expected 1 to 3650")
        expires = keys.utc_now() + datetime.timedelta(days=arguments.days)
    key, text = keys.add(_file(), arguments.owner, wanted, admin=arguments.admin, expires=expires)
    print(text)
    print(f"key {key.id} of {key.owner}: {_opens(key)}. It is shown this once and kept as a hash.")


def _opens(key: Any) -> str:
    from titer.serving.keys import ALL

    domains = "all domains" if ALL in key.domains else ", ".join(key.domains) or "the base alone"
    return f"{domains}{', may start runs' if key.admin else ''}"


def list_all(arguments: argparse.Namespace) -> None:
    """Print one line per key.

    Raises:
        TiterError: the file cannot be used.
    """
    from titer.serving import keys

    found = keys.read(_file())
    if not found:
        print("no key yet. Make one: titer keys add anna --domain autoimmune")
        return
    now = keys.utc_now()
    for key in found:
        state = "valid" if key.is_valid(now) else "expired"
        state = f"revoked {key.revoked[:10]}" if key.revoked else state
        until = f", until {key.expires[:10]}" if key.expires else ""
        made = f"made {key.created[:10]}{until}"
        print(f"{key.id}  {state:<18}  {key.owner:<20}  {_opens(key)}; {made}")


def revoke(arguments: argparse.Namespace) -> None:
    """End a key.

    Raises:
        TiterError: no such key.
    """
    from titer.serving import keys

    key = keys.revoke(_file(), arguments.id)
    print(f"key {key.id} of {key.owner} is revoked")

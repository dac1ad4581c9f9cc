"""Two versions of one domain side by side: who is served which, and the plan fixed beforehand.

Invariant: the arm is a function of the plan and the person, so nothing is stored, a restart changes
nothing, and every assignment can be replayed from the file of the plan.
"""

import hashlib
import secrets
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from titer import files
from titer.conversations.chats import check_name, utc
from titer.errors import ConfigError, DataError, FormatError, NotFound
from titer.registry.names import parse

FOLDER = "experiments"
"""Below the project, in Git: that a plan came before its data can be shown."""
SCHEMA_VERSION = 1
MIN_USERS = 50
"""Of a look: the least number on which the evaluation decides, too."""
MAX_USERS = 1_000_000
"""Of the last look: up to here the stop rule is exact wherever the first look lies."""
N_BUCKETS = 100


@dataclass(frozen=True)
class Experiment:
    """A plan."""

    name: str
    domain: str
    a: str
    """The present version, `autoimmune-qlora@v1.0.0`."""
    b: str
    """The new one; differences are B minus A."""
    share_b: int
    """Of 100 people, how many are served B."""
    salt: str
    """Random, so that people who met B in one experiment do not meet it in all of them."""
    min_users: int
    """People with a rating at the first look, of both arms together."""
    max_users: int
    """At the last look."""
    margin: float
    """Differences of satisfaction below it count as none; satisfaction is from 0 to 1."""
    alpha: float
    """Two-sided error rate of both looks together."""
    started_at: str
    """ISO 8601, UTC: only ratings from here on count."""
    ended_at: str | None = None
    """When both versions stopped being served; ratings from then on do not count."""

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ConfigError: a value out of range.
        """
        _check(self.a != self.b, self.name, "b", self.b, "another version than a")
        _check(1 <= self.share_b <= 99, self.name, "share_b", self.share_b, "from 1 to 99")
        _check(self.min_users >= MIN_USERS, self.name, "min_users", self.min_users,
               f"at least {MIN_USERS}")  # fmt: skip
        _check(self.min_users < self.max_users <= MAX_USERS, self.name, "max_users", self.max_users,
               f"more than min_users, {self.min_users}, and at most {MAX_USERS:,}")  # fmt: skip
        _check(0 < self.margin < 1, self.name, "margin", self.margin, "between 0 and 1")
        _check(0 < self.alpha < 0.5, self.name, "alpha", self.alpha, "between 0 and 0.5")

    def version(self, user: str) -> str:
        """The version that serves a person, the same for ever."""
        return self.b if bucket(self.salt, self.name, user) < self.share_b else self.a

    @property
    def is_running(self) -> bool:
        """Whether people are being served both versions."""
        return self.ended_at is None


def bucket(salt: str, experiment: str, user: str) -> int:
    """A number from 0 to 99, evenly spread over people.

    Reference: Kohavi, Tang, Xu (2020), Trustworthy Online Controlled Experiments, chapter 14.
    """
    text = files.dump_json([salt, experiment, user])
    # 2^256 is no multiple of 100; the bias is below 1e-75
    return int.from_bytes(hashlib.sha256(text.encode()).digest()) % N_BUCKETS


def _check(ok: bool, name: str, key: str, value: object, allowed: str) -> None:
    if not ok:
        raise ConfigError(f"experiment {name}: {key} {value!r}: expected {allowed}")


def path(root: Path, name: str) -> Path:
    """File of a plan.

    Raises:
        DataError: no plain name.
    """
    check_name("experiment", name)
    return root / FOLDER / f"{name}.json"


def plan(root: Path, domains: Collection[str], **values: Any) -> Experiment:
    """Write a new plan, with a new salt.

    Args:
        root: the project.
        domains: those of the project.
        values: fields of `Experiment` but the domain and the salt.

    Raises:
        ConfigError: a value out of range, versions that are none or of two domains, a domain that
            has a running experiment, or a name that is taken.
    """
    (first, number_a), (second, number_b) = (parse(values[arm], domains) for arm in ("a", "b"))
    for arm, number in (("a", number_a), ("b", number_b)):
        _check(number is not None, values["name"], arm, values[arm], "a name with its version")
    if first.domain != second.domain:
        raise ConfigError(f"{values['a']} and {values['b']}: versions of two domains")
    values["started_at"] = utc(values["started_at"])
    made = Experiment(domain=first.domain, salt=secrets.token_hex(8), **values)
    target = path(root, made.name)
    if target.exists():
        raise ConfigError(f"{target}: is there. A plan is not changed; take another name")
    running(root, [*read_all(root), made])
    _write(target, made)
    return made


def stop(root: Path, name: str, *, at: str) -> Experiment:
    """End an experiment; its plan stays.

    Raises:
        NotFound: no such experiment.
        ConfigError: it has ended.
    """
    found = read(root, name)
    if not found.is_running:
        raise ConfigError(f"experiment {name}: ended {found.ended_at}")
    ended = replace(found, ended_at=utc(at))
    _write(path(root, name), ended)
    return ended


def _write(target: Path, made: Experiment) -> None:
    files.write_json(target, {"schema_version": SCHEMA_VERSION, **asdict(made)})


def read(root: Path, name: str) -> Experiment:
    """One plan.

    Raises:
        NotFound: no such experiment.
        FormatError: the file is no plan.
        ConfigError: a value of it is out of range.
    """
    target = path(root, name)
    if not target.is_file():
        known = ", ".join(one.name for one in read_all(root)) or "none"
        raise NotFound(f"experiment {name!r}: there is none of that name; there are: {known}")
    value = files.read_json_object(target)
    if value.pop("schema_version", None) != SCHEMA_VERSION:
        raise FormatError(f"{target}: not schema version {SCHEMA_VERSION}")
    try:
        found = Experiment(**value)
        utc(found.started_at)
        utc(found.started_at if found.ended_at is None else found.ended_at)
        texts = (found.name, found.domain, found.a, found.b, found.salt)
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("name, domain, a, b and salt are texts")
    except (TypeError, AttributeError, DataError) as error:
        raise FormatError(f"{target}: not a plan of `titer ab`: {error}") from None
    if found.name != name:
        raise FormatError(f"{target}: holds the plan of {found.name!r}. A copy is no new plan")
    return found


def read_all(root: Path) -> list[Experiment]:
    """All plans, by name.

    Raises:
        FormatError: a file is no plan.
    """
    return [read(root, found.stem) for found in sorted((root / FOLDER).glob("*.json"))]


def running(root: Path, plans: Iterable[Experiment] | None = None) -> dict[str, Experiment]:
    """Domain -> its running experiment.

    Raises:
        ConfigError: a domain has two.
    """
    found: dict[str, Experiment] = {}
    for one in read_all(root) if plans is None else plans:
        if one.is_running:
            other = found.setdefault(one.domain, one)
            if other is not one:
                raise ConfigError(
                    f"experiments {other.name} and {one.name}: both run in {one.domain}. First: "
                    f"titer ab stop {other.name}"
                )
    return found

"""Every pinned package that is installed has a licence that Titer may be used with.

Read from the packages' own metadata: a licence expression, else their classifiers, else the first
line of their licence field. Permissive licences pass; every other package is named with its reason.
"""

import re
from importlib import metadata

import pytest

from tests.imports import ROOT

PERMISSIVE = {
    "0bsd", "apache", "apache 2.0", "apache license 2.0", "apache software license", "apache-2.0",
    "apache 2.0 license", "bsd", "bsd license", "bsd-2-clause", "bsd-3-clause", "bsl-1.0",
    "cc0-1.0", "cnri-python", "isc", "isc license (iscl)", "mit", "mit license", "mit-0", "mit-cmu",
    "apache-2.0 with llvm-exception", "psf-2.0", "python software foundation license", "zlib",
    "zope public license", "licenseref-biopython-license-agreement",
}  # fmt: skip
"""In lower case, as packages spell them."""

NAMED = {
    "asyncssh": ("epl-2.0", "through DVC, for Git over SSH; taken under EPL-2.0"),
    "atheris": ("", "extra fuzz; its metadata say nothing, its repository Apache-2.0"),
    "certifi": ("mpl-2.0", "a list of certificates, used unchanged"),
    "fqdn": ("mpl-2.0", "tests only, through schemathesis; used unchanged"),
    "hypothesis": ("mpl-2.0", "tests only; used unchanged"),
    "orjson": ("mpl-2.0", "used unchanged; MPL covers its own files"),
    "pathspec": ("mpl 2.0", "through DVC; used unchanged"),
    "shtab": ("mpl-2.0", "through DVC; used unchanged"),
    "tqdm": ("mpl-2.0", "used unchanged"),
    "fpdf2": ("lgpl-3.0-only", "tests only: it writes the PDF files that are read"),
    "psycopg": ("lgpl-3.0-only", "extra postgres; a library, used unchanged"),
    "psycopg-binary": ("lgpl-3.0-only", "the same"),
    "python-stdnum": ("lgplv2+", "a library, used unchanged"),
    "tld": ("mpl-1.1", "through trafilatura; taken under MPL-1.1"),
    "grandalf": ("eplv1", "through DVC, which draws its graphs with it; GPLv2 or EPLv1"),
    "pygit2": ("gplv2 with linking exception", "through DVC; the exception allows linking"),
}
"""Package, what its metadata must say (a part of it), and why it may be there."""


def pins() -> set[str]:
    """Names of constraints.txt, in lower case with hyphens."""
    text = (ROOT / "constraints.txt").read_text()
    return {normal(name) for name in re.findall(r"(?m)^([\w.-]+)==", text)}


def pinned() -> list[str]:
    """Those that are installed here."""
    found = {normal(one.metadata["Name"]) for one in metadata.distributions()}
    return sorted(pins() & found)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def said(name: str) -> list[str]:
    """What a package says of its licence, in lower case; all of it must hold."""
    about = metadata.metadata(name)
    expression = about.get("License-Expression")
    if expression:
        return [expression.lower()]
    classifiers = [one for one in about.get_all("Classifier") or [] if one.startswith("License")]
    last = [one.split(" :: ")[-1].lower() for one in classifiers]
    first_line = (about.get("License") or "").strip().partition("\n")[0].lower()
    precise = [one for one in last if one != "osi approved"]
    return precise or ([first_line] if first_line else [])


def is_permissive(text: str) -> bool:
    """Whether one alternative of every part is permissive; AND binds closer than OR."""
    if text in PERMISSIVE:  # some names have brackets of their own
        return True
    inner = re.search(r"\(([^()]*)\)", text)
    if inner:
        word = "mit" if is_permissive(inner[1]) else "not permissive"
        return is_permissive(text[: inner.start()] + word + text[inner.end() :])
    alternatives = [part.split(" and ") for part in text.split(" or ")]
    return any(all(one.strip() in PERMISSIVE for one in part) for part in alternatives)


def verdict(name: str) -> str | None:
    """What is wrong with a package's licence, or nothing."""
    texts = said(name)
    if name in NAMED:
        about = metadata.metadata(name)
        whole = " ".join([*texts, (about.get("License") or "").lower()])
        return None if NAMED[name][0] in whole else f"{name}: now {texts}"
    if not texts:
        return f"{name}: its metadata name no licence"
    wrong = [text for text in texts if not is_permissive(text)]
    return f"{name}: {wrong}" if wrong else None


def test_every_installed_package_has_a_licence_that_passes_or_is_named() -> None:
    names = pinned()
    assert len(names) > 100, "constraints.txt and this environment have little in common"
    found = [found for found in map(verdict, names) if found]
    assert not found, f"look at these licences, then allow or name them: {found}"


def test_every_named_package_is_pinned() -> None:
    assert set(NAMED) <= pins()


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("mit", True),
        ("apache-2.0 or gpl-2.0-or-later", True),
        ("apache-2.0 and mit", True),
        ("gpl-3.0-only", False),
        ("mit and gpl-3.0-only", False),
        ("mpl-2.0 and (apache-2.0 or mit)", False),
        ("(apache-2.0 or gpl-2.0-only) and mit", True),
        ("gnu affero general public license v3", False),
        ("other/proprietary license", False),
    ],
)
def test_a_licence_is_read_as_it_is_written(text: str, passes: bool) -> None:
    assert is_permissive(text) == passes

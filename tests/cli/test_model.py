"""`titer model`: versions from the command line, each mistake one line."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.conftest import Titer
from tests.registry.made_up_versions import QLORA, run
from titer import runner
from titer.registry import tags
from titer.registry.names import Number


def test_a_version_from_the_list_to_the_disk(titer: Titer) -> None:
    code, out, err = titer("model", "list")
    assert (code, err) == (0, "")
    rows = [line.split()[:4] for line in out.splitlines()]
    assert [(row[0], row[1], row[3]) for row in rows] == [
        ("version", "state", "verdict"), ("autoimmune-qlora@v1.1.0", "-", "hurt"),
        ("autoimmune-qlora@v1.0.0", "-", "helped"),
    ]  # fmt: skip
    out = titer("model", "activate", "autoimmune-qlora@v1.0.0")[1]
    assert out == "autoimmune-qlora@v1.0.0 is active; verdict helped\n"
    two = "autoimmune-qlora@v1.1.0"
    out = titer("model", "activate", two, "--force", "--reason", "to look at it")[1]
    assert out == f"{two} is active BY FORCE, which its tag records; verdict hurt\n"
    out = titer("model", "rollback", "autoimmune-qlora")[1]
    assert out.startswith(f"autoimmune-qlora@v1.0.0 is active again, {two} is not")
    out = titer("model", "pull", "autoimmune-qlora")[1]
    assert out.endswith("registered/autoimmune-qlora/v1.0.0, brought and checked\n")
    assert "activate BY FORCE, hurt, by Ada. to look at it" in titer("model", "show", two)[1]
    assert "retired: unsafe" in titer("model", "retire", two, "--reason", "unsafe")[1]
    assert "retired" in titer("model", "list")[1].splitlines()[1]


def test_use_is_counted_from_the_store_when_asked(titer: Titer, tmp_path: Path) -> None:
    assert "conversations     no store" in titer("model", "show", "autoimmune-qlora@v1.0.0")[1]
    chat = tmp_path / "chat.jsonl"
    chat.write_text(
        '{"id": "c1", "satisfaction": 0.75, "messages": [{"role": "user", "content": "Which?"}, '
        '{"role": "assistant", "content": "ANA"}]}\n'
    )
    titer(
        "conversations", "import", str(chat), "--consent", "tick box", "--consent-date",
        "2026-11-01", "--served", "autoimmune-qlora@v1.0.0",
    )  # fmt: skip
    out = titer("model", "show", "autoimmune-qlora@v1.0.0")[1]
    assert "conversations     1\n" in out and "satisfaction      0.75 (1 ratings)" in out


def test_versions_of_a_domain_that_was_renamed_are_found(titer: Titer) -> None:
    conf = runner.ROOT / "conf" / "domain"
    (conf / "autoimmune.yaml").rename(conf / "immunology.yaml")
    one = "autoimmune-qlora@v1.0.0"
    assert one in titer("model", "list")[1]
    assert titer("model", "show", one)[1].startswith(f"{one}\n")
    assert titer("model", "retire", one, "--reason", "renamed")[0] == 0


def test_what_a_tag_says_steers_no_terminal(titer: Titer) -> None:
    """A foreign tag's text may hold what `titer model` itself refuses."""
    hostile = "unsafe\nautoimmune-qlora@v9.0.0  ACTIVE\x1b[2J"
    shown = r"unsafe autoimmune-qlora@v9.0.0 ACTIVE\x1b[2J"
    known = tags.read(runner.ROOT, QLORA)
    version = list(known.versions.values())[-1]
    written = replace(version.record, description=hostile, verdict="hurt\x1b[2J", base=(
        version.record.base | {"id": hostile, "weights_sha256": None}))  # fmt: skip
    run(runner.ROOT, "git", "commit", "--quiet", "--allow-empty", "--message", "More")
    tags.register(runner.ROOT, QLORA, Number(1, 2, 0), written)
    tags.retire(runner.ROOT, version, hostile)
    _, listed, _ = titer("model", "list")
    assert listed.splitlines()[1].split("  ")[-1] == shown
    assert r"hurt\x1b[2J" in listed and "\x1b" not in listed
    out = titer("model", "show", str(version))[1]
    assert f"retired: {shown}\n" in out
    out = titer("model", "show", "autoimmune-qlora@v1.2.0")[1]
    assert f"description       {shown}\n" in out and f"base              {shown}, rev" in out
    assert "base weights      none\n" in out and "\x1b" not in out


@pytest.mark.slow
def test_a_comparison_says_what_can_be_said(titer: Titer) -> None:
    code, out, err = titer("model", "compare", "autoimmune-qlora@v1.0.0", "autoimmune-qlora@v1.1.0")
    assert code == 0, err
    assert "A autoimmune-qlora@v1.0.0: helped against its base" in out
    assert "On the plan's endpoint (closed_acc): the second is worse." in out
    assert "95 % interval" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "autoimmune-qlora@v9.9.9"),
         "autoimmune-qlora@v9.9.9 is not registered; there are v1.0.0, v1.1.0"),
        (("show", "autoimmune-qlora"), "autoimmune-qlora: no version is active. Name one"),
        (("show", "autoimune-qlora@v1.0.0"), "'autoimune-qlora' is no name of a model"),
        (("activate", "autoimmune-qlora"), "autoimmune-qlora: which version? Write"),
        (("activate", "autoimmune-qlora@v1.1.0"), "its verdict is hurt; only helped and equival"),
        (("retire", "autoimmune-qlora@v1.0.0"), "--reason is empty"),
        (("register", "autoimmune-qlora", "--description", "again"), "uncommitted changes (params"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)  # fmt: skip
def test_a_mistake_is_one_line(titer: Titer, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = titer("model", *arguments)
    assert code in (1, 2) and out == ""
    assert said in err and len(err.splitlines()) == 1

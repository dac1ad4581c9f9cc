"""`titer conversations`: from a file to training rows and out again, in a copy of the project."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from titer import runner
from titer.cli.main import main

CHATS = [
    {
        "id": "c1",
        "messages": [
            {"role": "user", "content": "Which antibody is the most specific one for lupus?"},
            {"role": "assistant", "content": "Anti-Sm. Ask me again on (212) 555-0143."},
        ],
        "satisfaction": 0.9,
        "version": "autoimmune-qlora@v1.0.0",
    },
    {
        "id": "c2",
        "conversations": [
            {"from": "human", "value": "What does a high titre of ANA mean? \u001b[2J"},
            {"from": "gpt", "value": "By itself no more than that antibodies are there."},
        ],
    },
    {"id": "c3", "messages": []},
]
CONSENT = ("--consent", "tick box", "--consent-date", "2026-11-01")
ROWS = "data/own/autoimmune/training/conversations.jsonl"


@pytest.fixture
def filled(project: Any) -> Any:
    """The project with two conversations in its store."""
    project.write("chats.jsonl", "".join(json.dumps(row) + "\n" for row in CHATS))
    done = project.titer("conversations", "import", "chats.jsonl", *CONSENT)
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "left out chats.jsonl:3: conversation 'c3': 0 turns; expected 1 to 1,000\n"
        "  added           2\n  left out        1\n"
    )
    return project


def test_a_second_import_changes_nothing(filled: Any) -> None:
    done = filled.titer("conversations", "import", "chats.jsonl", *CONSENT)
    assert "  already there        2\n" in done.out


def test_conversations_are_listed_without_their_words_and_shown_without_escapes(
    filled: Any,
) -> None:
    listed = filled.titer("conversations", "list").out
    assert "c1  autoimmune  2026-11-01T00:00:00Z  2 turns  0.90  consent" in listed
    assert "lupus" not in listed
    assert listed.endswith("2 conversations; 0 forgotten ever\n")
    shown = filled.titer("conversations", "show", "c2").out
    assert "[0] user: What does a high titre of ANA mean? \\x1b[2J" in shown
    assert "consent: 2026-11-01T00:00:00Z, tick box" in shown


def test_the_loop_from_rating_to_forgetting(filled: Any) -> None:
    done = filled.titer("conversations", "export")
    assert (done.code, done.err) == (0, "")
    assert "  new        1\n" in done.out
    assert "  not rated        1\n" in done.out
    assert "  phone        1\n" in done.out
    assert "Names, postal addresses and ages are not scrubbed" in done.out
    (row,) = map(json.loads, (filled.root / ROWS).read_text().splitlines())
    assert row["messages"][1]["content"] == "Anti-Sm. Ask me again on [phone]."

    rated = filled.titer("conversations", "rate", "c2", "--thumbs", "up", "--turn", "1")
    assert rated.out == "c2: satisfaction is now 1.00\n"
    assert re.search(r"  new +1\n", filled.titer("conversations", "export").out)

    gone = filled.titer("conversations", "forget", "c1")
    assert gone.out == (
        "c1: 2 turns deleted; a tombstone without content stays\n"
        f"still in {ROWS}: the next export there takes it out\n"
        "A model trained on it keeps what it learned; train again without it: dvc repro\n"
    )
    assert "  taken out: forgotten        1\n" in filled.titer("conversations", "export").out
    assert '"c1"' not in (filled.root / ROWS).read_text()
    assert filled.titer("conversations", "forget", "c1").err == (
        "error: conversation 'c1' was forgotten. See: titer conversations list\n"
    )


def test_an_exported_folder_is_one_that_the_pipeline_reads(filled: Any) -> None:
    from titer.examples import own

    filled.titer("conversations", "export")
    found = own.read((filled.root / ROWS).parent)
    assert [example.title for example in found.examples] == ["conversation c1"]
    assert found.counts["unknown_files"] == []


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with one conversation in its store, for commands run in this process."""
    monkeypatch.setattr(runner, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chats.jsonl").write_text(json.dumps(CHATS[0]))
    assert main(["conversations", "import", "chats.jsonl", "--domain", "autoimmune", *CONSENT]) == 0
    return tmp_path


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["export", "--min-satisfaction", "2"], 2, "--min-satisfaction 2.0: expected 0 to 1"),
        (["export", "--since", "soon"], 1, "'soon' is no date"),
        (["export", "--domain", "chemistry"], 1, "no conversation of 'chemistry' passes; nothing"),
        (["export", "--domain", "../x"], 2, "no export of '../x'"),
        (["show", "nobody"], 1, "conversation 'nobody' is not in the store"),
        (["rate", "c1"], 1, "a rating needs a satisfaction from 0 to 1 or a thumb"),
        (["rate", "c1", "--satisfaction", "7"], 1, "satisfaction 7.0; expected 0 to 1"),
        (["import", "chats.jsonl", "--consent", "x"], 2, "--consent and --consent-date belong"),
        (["import", "none.jsonl"], 1, "none.jsonl: cannot be read (No such file or directory)"),
    ],
)
def test_a_mistake_is_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, message: str
) -> None:
    takes_domain = words[0] in ("export", "import") and "--domain" not in words
    more = ["--domain", "autoimmune"] if takes_domain else []
    assert main(["conversations", *words, *more]) == code
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
    assert not (here / ROWS).exists()


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:canary@127.0.0.1:1/d", "mysql://u:canary@h/d", "postgresql://u:canary@[/d"],
)
def test_the_password_of_a_database_is_never_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    monkeypatch.setenv("TITER_CONVERSATIONS_URL", url)
    assert main(["conversations", "list"]) in (1, 2)
    out, err = capsys.readouterr()
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "canary" not in err + out

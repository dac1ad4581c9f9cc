"""`titer conversations`: from a file to training rows and out again, in a copy of the project."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from titer import runner
from titer.cli.main import main
from titer.conversations.shapes import SHAPES

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


@dataclass
class Here:
    """A root with two conversations in its store, for commands run in this process."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    def say(self, *words: str) -> tuple[int, str, str]:
        """Exit code, output and error of `titer conversations`."""
        more = ["--domain", "autoimmune"] if words[0] in ("import", "export") else []
        code = main(["conversations", words[0], *more, *words[1:]])
        return code, *self.capsys.readouterr()


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Here:
    (tmp_path / "conf").symlink_to(runner.ROOT / "conf")
    monkeypatch.setattr(runner, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    write_chats(tmp_path)
    found = Here(tmp_path, capsys)
    assert found.say("import", "chats.jsonl", *CONSENT) == (
        0,
        "left out chats.jsonl:3: conversation 'c3': 0 turns; expected 1 to 1,000\n"
        "  added           2\n  left out        1\n",
        "",
    )
    return found


def write_chats(folder: Path) -> None:
    (folder / "chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in CHATS))


def test_the_domain_is_that_of_params_yaml_and_the_rows_are_read_by_training(
    project: Any,
) -> None:
    from titer.examples import own

    write_chats(project.root)
    assert project.titer("conversations", "import", "chats.jsonl", *CONSENT).code == 0
    done = project.titer("conversations", "export")
    assert (done.code, done.err) == (0, "")
    found = own.read((project.root / ROWS).parent)
    assert [example.title for example in found.examples] == ["conversation c1"]
    assert found.counts["unknown_files"] == []


def test_a_second_import_changes_nothing(here: Here) -> None:
    _, out, _ = here.say("import", "chats.jsonl", *CONSENT)
    assert "  already there        2\n" in out


def test_conversations_are_listed_without_their_words(here: Here) -> None:
    _, out, _ = here.say("list")
    assert "c1  autoimmune  2026-11-01T00:00:00Z  2 turns  0.90  consent" in out
    assert "lupus" not in out
    assert out.endswith("2 conversations; 0 forgotten ever\n")


def test_a_message_cannot_steer_the_terminal_that_shows_it(here: Here) -> None:
    _, out, _ = here.say("show", "c2")
    assert "[0] user: What does a high titre of ANA mean? \\x1b[2J" in out
    assert "consent: 2026-11-01T00:00:00Z, tick box" in out


def test_an_export_prints_what_was_chosen_left_out_and_scrubbed(here: Here) -> None:
    code, out, err = here.say("export")
    assert (code, err) == (0, "")
    for line in ("new        1", "not rated        1", "phone        1"):
        assert f"  {line}\n" in out
    assert "Names, postal addresses and ages are not scrubbed" in out
    (row,) = map(json.loads, (here.root / ROWS).read_text().splitlines())
    assert row["messages"][1]["content"] == "Anti-Sm. Ask me again on [phone]."


def test_a_rating_lets_a_conversation_in_and_forgetting_takes_it_out(here: Here) -> None:
    assert here.say("rate", "c2", "--thumbs", "up", "--turn", "1")[1] == (
        "c2: satisfaction is now 1.00\n"
    )
    assert "  new        2\n" in here.say("export")[1]
    assert here.say("forget", "c1")[1] == (
        "c1: 2 turns deleted; a tombstone without content stays\n"
        f"still in {ROWS}: the next export there takes it out\n"
        "A model trained on it keeps what it learned; train again without it: dvc repro\n"
    )
    assert "  taken out: forgotten        1\n" in here.say("export")[1]
    assert '"c1"' not in (here.root / ROWS).read_text()
    assert here.say("forget", "c1")[2] == (
        "error: conversation 'c1' was forgotten. See: titer conversations list\n"
    )


@pytest.mark.parametrize("form", ["alpaca", "sharegpt", "satisfaction"])
def test_forms_for_other_tools_go_elsewhere(here: Here, form: str) -> None:
    code, out, _ = here.say("export", "--format", form)
    assert code == 0
    assert not (here.root / ROWS).parent.exists()
    name = f"exports/autoimmune/{SHAPES[form].name}"
    assert (here.root / name).is_file()
    assert f"\n{name}: rows 1\n{name}.metadata.json: filter, counts, hashes\n" in out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["export", "--min-satisfaction", "2"], 2, "--min-satisfaction 2.0: expected 0 to 1"),
        (["export", "--since", "soon"], 1, "'soon' is no date"),
        (["export", "--domain", "chemistry"], 1, "no conversation of 'chemistry' passes; nothing"),
        (["export", "--domain", "../x"], 2, "domain '../x' has no file conf/domain/"),
        (["import", "--domain", "autoimune", "chats.jsonl"], 2, "did you mean autoimmune?"),
        (["show", "nobody"], 1, "conversation 'nobody' is not in the store"),
        (["list", "--limit", "-1"], 2, "--limit -1: expected at least 1"),
        (["list", "--limit", "0"], 2, "--limit 0: expected at least 1"),
        (["rate", "c1"], 1, "a rating needs a satisfaction from 0 to 1 or a thumb"),
        (["rate", "c1", "--satisfaction", "7"], 1, "satisfaction 7.0; expected 0 to 1"),
        (["import", "chats.jsonl", "--consent", "x"], 2, "--consent and --consent-date belong"),
        (["import", "none.jsonl"], 1, "none.jsonl: cannot be read (No such file or directory)"),
    ],
)
def test_a_mistake_is_one_line(here: Here, words: list[str], code: int, message: str) -> None:
    found, _, err = here.say(*words)
    assert found == code
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
    assert not (here.root / ROWS).exists()


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

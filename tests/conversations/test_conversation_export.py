"""An export holds what was chosen, merges with the last one, and gives the same bytes again."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conversations.talks import ANSWER, QUESTION, talk
from titer import files
from titer.conversations import shapes
from titer.conversations.chats import Consent, Conversation, Rating, Turn
from titer.conversations.exporting import Outcome, export, holding, metadata_path
from titer.conversations.filters import Filter
from titer.conversations.reading import Given, read
from titer.conversations.store import Store
from titer.errors import ConfigError, DataError, FormatError

NOW = "2026-11-25T12:00:00Z"


def run(store: Store, output: Path, shape: str = "chat", **wanted: Any) -> Outcome:
    return export(store, "autoimmune", output, shape=shape, wanted=Filter(**wanted), now=NOW)


def distinct(name: str, **changed: Any) -> Conversation:
    return talk(name, f"{QUESTION} ({name})", ANSWER, **changed)


def ids(output: Path) -> list[str]:
    return [row["conversation_id"] for row in files.read_jsonl(output)]


@pytest.fixture
def store(tmp_path: Path) -> Any:
    opened = Store(tmp_path / "store.db")
    yield opened
    opened.close()


def test_stored_conversations_are_exported_or_rejected_with_a_reason(
    store: Store, tmp_path: Path
) -> None:
    store.put([
        distinct("good"), distinct("late", created_at="2026-10-01"),
        distinct("unrated", ratings=[]), distinct("bad", ratings=[Rating(0.3)]),
        talk("short", "Hm?", "x"), talk("twin1"), talk("twin2"),
        distinct("elsewhere", domain="chemistry"),
    ])  # fmt: skip
    output = tmp_path / "out.jsonl"
    outcome = run(store, output, since="2026-11-01")
    assert ids(output) == ["good", "twin1"]
    assert outcome.exported == {"new": 2}
    assert outcome.rejected == {
        "before --since": 1, "not rated": 1, "satisfaction below 0.8": 1,
        "a message shorter than 20 characters": 1, "same messages as another": 1,
    }  # fmt: skip
    assert outcome.n_stored == 7 == outcome.exported.total() + outcome.rejected.total()


def test_the_newest_conversations_fill_the_limit(store: Store, tmp_path: Path) -> None:
    store.put([distinct(f"c{n}", created_at=f"2026-11-0{n}") for n in range(1, 6)])
    outcome = run(store, tmp_path / "out.jsonl", limit=2)
    assert ids(tmp_path / "out.jsonl") == ["c4", "c5"]
    assert outcome.rejected == {"beyond the limit": 3}


@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_the_same_store_gives_the_same_bytes(store: Store, tmp_path: Path, shape: str) -> None:
    rows = [distinct(f"c{n}", user=f"u{n % 2}") for n in range(6)]
    store.put(rows)
    other = Store(tmp_path / "other.db")
    for row in reversed(rows):
        other.put([row])
    one, two = (tmp_path / name / shapes.SHAPES[shape].name for name in ("one", "two"))
    run(store, one, shape, limit=4)
    first = one.read_bytes()
    run(store, one, shape, limit=4)
    run(other, two, shape, limit=4)
    assert one.read_bytes() == first == two.read_bytes()
    other.close()


def test_a_conversation_is_exported_as_the_guide_writes_it(store: Store, tmp_path: Path) -> None:
    turns = [Turn("system", "Be brief."), Turn("user", QUESTION), Turn("assistant", ANSWER),
             Turn("user", f"{QUESTION} In APS?"), Turn("assistant", f"{ANSWER} No.")]  # fmt: skip
    store.put([talk(turns=turns)])
    rows: dict[str, Any] = {}
    for name, shape in shapes.SHAPES.items():
        path = tmp_path / shape.name
        run(store, path, name)
        found = list(files.read_jsonl(path)) if path.suffix == ".jsonl" else files.read_json(path)
        assert all(row["source"] == "conversation:c1" for row in found)
        rows[name] = [{k: v for k, v in row.items() if k not in shapes.ABOUT} for row in found]
    assert rows["chat"] == [
        {"messages": [{"role": turn.role, "content": turn.content} for turn in turns]}
    ]
    speakers = ["system", "human", "gpt", "human", "gpt"]
    assert rows["sharegpt"] == [{"conversations": [
        {"from": speaker, "value": turn.content}
        for speaker, turn in zip(speakers, turns, strict=True)
    ]}]  # fmt: skip
    assert rows["alpaca"] == [{
        "instruction": turns[3].content, "input": "", "output": turns[4].content,
        "system": "Be brief.", "history": [[QUESTION, ANSWER]],
    }]  # fmt: skip
    assert rows["satisfaction"] == [
        {"system": "Be brief.", "user": turns[n].content, "assistant": turns[n + 1].content}
        for n in (1, 3)
    ]


def test_an_edited_conversation_replaces_its_old_row(store: Store, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    store.put([distinct("c1"), distinct("c2"), distinct("c3")])
    run(store, output)
    store.put([talk("c2", QUESTION, f"{ANSWER} And PCNA.")])
    store.rate("c3", Rating(0.9))
    store.put([distinct("c4")])
    outcome = run(store, output)
    assert outcome.exported == {"unchanged since the last export": 2, "new": 1,
                                "edited since the last export": 1}  # fmt: skip
    rows = {row["conversation_id"]: row for row in files.read_jsonl(output)}
    assert sorted(rows) == ["c1", "c2", "c3", "c4"]
    assert rows["c2"]["messages"][1]["content"].endswith("And PCNA.")


def test_an_export_of_the_new_keeps_the_old(store: Store, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    store.put(
        [distinct("old1", created_at="2026-10-01"), distinct("old2", created_at="2026-10-02")]
    )
    run(store, output, limit=1)
    store.put([distinct("new1"), distinct("new2")])
    run(store, output, since="2026-11-01", limit=1)
    assert ids(output) == ["new1", "old2"]


@pytest.mark.parametrize(
    ("change", "fate"),
    [
        (lambda store: store.forget("c1", at=NOW), "taken out: forgotten"),
        (lambda store: store.rate("c1", Rating(0.1)), "taken out: no longer chosen"),
        (
            lambda store: store.put([distinct("c1", domain="chemistry")]),
            "taken out: no longer chosen",
        ),
    ],
    ids=["forgotten", "rated badly since", "of another domain now"],
)
def test_what_may_no_longer_teach_leaves_the_file(
    store: Store, tmp_path: Path, change: Any, fate: str
) -> None:
    output = tmp_path / "out.jsonl"
    store.put([distinct("c1")])
    run(store, output)
    change(store)
    outcome = run(store, output)
    assert outcome.taken_out == {fate: 1}
    assert output.read_bytes() == b""
    assert files.read_json(metadata_path(output))["total"] == 0


def test_rows_of_another_store_stay_and_their_copies_are_not_added(
    store: Store, tmp_path: Path
) -> None:
    output = tmp_path / "out.jsonl"
    elsewhere = Store(tmp_path / "elsewhere.db")
    elsewhere.put([distinct("theirs")])
    run(elsewhere, output)
    elsewhere.close()
    store.put([distinct("ours")])
    outcome = run(store, output)
    assert ids(output) == ["ours", "theirs"]
    assert outcome.exported == {"new": 1, "kept from an earlier export, not in this store": 1}


def test_the_metadata_say_what_the_file_is(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "own" / "autoimmune" / "training"
    output = folder / "conversations.jsonl"
    store.put([distinct("c1", ratings=[Rating(0.8)]), distinct("c2", ratings=[Rating(1.0)],
               version="base")])  # fmt: skip
    outcome = run(store, output, since="2026-11-01")
    assert outcome.metadata == folder.parent / "conversations.jsonl.metadata.json"
    found = files.read_json(outcome.metadata)
    assert (found["name"], found["total"], found["rows"]) == ("conversations.jsonl", 2, 2)
    assert (found["mean_satisfaction"], found["timestamp"]) == (0.9, NOW)
    assert found["answered_by"] == {"autoimmune-qlora@v1.0.0": 1, "base": 1}
    assert found["filter"]["since"] == "2026-11-01T00:00:00Z"
    assert found["sha256"]["rows"] == files.sha256_file(output)
    assert found["not_scrubbed"].startswith("Names")
    assert len(found["id"]) == 16


@pytest.mark.parametrize(
    "content",
    ['{"question": "q", "answer": "a"}\n', '{"messages": []}\n', "[1]\n", "{\n"],
    ids=["a user's own rows", "no id", "a list", "no JSON"],
)
def test_a_file_that_no_export_wrote_is_not_touched(
    store: Store, tmp_path: Path, content: str
) -> None:
    output = tmp_path / "out.jsonl"
    output.write_text(content)
    store.put([talk()])
    with pytest.raises(FormatError, match=r"out\.jsonl"):
        run(store, output)
    assert output.read_text() == content


def test_only_the_chat_form_may_lie_where_training_reads(store: Store, tmp_path: Path) -> None:
    store.put([talk()])
    folder = tmp_path / "training"
    run(store, folder / "conversations.jsonl")
    with pytest.raises(DataError, match="only the form chat keeps a conversation in one split"):
        run(store, folder / "conversations.alpaca.json", "alpaca")
    assert [path.name for path in folder.iterdir()] == ["conversations.jsonl"]


def test_where_nothing_passes_nothing_is_written(store: Store, tmp_path: Path) -> None:
    store.put([talk(ratings=[])])
    assert run(store, tmp_path / "out.jsonl").metadata is None
    assert not (tmp_path / "out.jsonl").exists()
    with pytest.raises(ConfigError, match="forms are chat, alpaca, sharegpt, satisfaction"):
        run(store, tmp_path / "out.jsonl", "csv")


def test_exports_that_hold_a_conversation_are_found(store: Store, tmp_path: Path) -> None:
    store.put([distinct("c1"), distinct("c11")])
    run(store, tmp_path / "a" / "training" / "conversations.jsonl")
    run(store, tmp_path / "b" / "conversations.alpaca.json", "alpaca")
    names = [path.name for path in holding(tmp_path, "c1")]
    assert names == ["conversations.jsonl", "conversations.alpaca.json"]
    assert holding(tmp_path, "c") == []


@pytest.mark.parametrize("name", ["clinic-chats.jsonl", "clinic-chats.json"])
def test_an_export_of_another_name_is_found_too(store: Store, tmp_path: Path, name: str) -> None:
    store.put([distinct("c1")])
    training = tmp_path / "autoimmune" / "training"
    run(store, training / name)
    (training / "mine.jsonl").write_text('{"messages": [], "id": "c1"}\n')
    assert [path.name for path in holding(tmp_path, "c1")] == [name]


def test_own_rows_read_an_export_and_keep_a_person_in_one_split(
    store: Store, tmp_path: Path
) -> None:
    from titer.examples import own

    store.put([distinct("c1", user="jo"), distinct("c2", user="jo"), distinct("c3")])
    run(store, tmp_path / "training" / "conversations.jsonl")
    examples = own.read(tmp_path / "training").examples
    clusters = {example.title: example.cluster_id for example in examples}
    assert clusters["conversation c1"] == clusters["conversation c2"]
    assert clusters["conversation c3"] == "own:pmid:conversation:c3"
    assert own.read(tmp_path / "training").counts["unknown_files"] == []


SAID = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts=st.lists(SAID.map(lambda text: f"begin {text} end"), min_size=2, max_size=6))
@pytest.mark.parametrize("shape", ["chat", "sharegpt"])
def test_an_export_read_back_is_what_was_exported(
    tmp_path: Path, shape: str, texts: list[str]
) -> None:
    path = tmp_path / "store.db"
    path.unlink(missing_ok=True)
    store = Store(path)
    store.put([talk("c1", *texts)])
    output = tmp_path / shapes.SHAPES[shape].name
    output.unlink(missing_ok=True)
    run(store, output, shape, min_length=1)
    store.close()
    (back,) = read(output, Given("autoimmune", Consent(NOW, "x")))
    assert isinstance(back, Conversation)
    chosen = shapes.rows(_chosen(talk("c1", *texts)), "chat")[0]["messages"]
    assert [{"role": t.role, "content": t.content} for t in back.turns] == chosen
    assert back.id == "c1"


def _chosen(row: Conversation) -> Any:
    from titer.conversations.filters import choose

    return choose(row, Filter(min_length=1))

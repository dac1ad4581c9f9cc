"""A user's own rows become examples; what is not used is counted, a bad row is one line."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.examples.papers import make_paper, make_settings
from titer.errors import FormatError
from titer.examples import own
from titer.examples.build import build
from titer.examples.formats import chat
from titer.examples.normalise import example_ids
from titer.examples.recipes import paper_examples

PAIR = {"question": "Why does the lamp smoke?", "answer": "The wick is long."}
TURNS = [
    {"role": "user", "content": PAIR["question"]},
    {"role": "assistant", "content": PAIR["answer"]},
]


def lines(folder: Path, *rows: Any, name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "row",
    [
        PAIR,
        {**PAIR, "source": "A book"},
        {"messages": TURNS},
        {"text": f"Question: {PAIR['question']}\n\nAnswer: {PAIR['answer']}"},
        {"text": f"User: {PAIR['question']} Assistant: {PAIR['answer']}"},
        {"text": f"**Q:** {PAIR['question']}\n**A:** {PAIR['answer']}</s>"},
        {"text": f"<|user|>User: {PAIR['question']}\nAssistant: {PAIR['answer']}<\uff5cend\uff5c>"},
    ],
    ids=["pair", "pair with source", "chat", "question", "user", "bold letters", "control tokens"],
)
def test_each_form_gives_question_and_answer(tmp_path: Path, row: dict[str, Any]) -> None:
    lines(tmp_path, row)
    (example,) = own.read(tmp_path).examples
    assert example.messages == TURNS
    assert (example.source, example.recipe, example.spans) == ("own", "own", [])
    assert (example.license, example.synthetic, example.split) == (None, False, "")
    assert example.paper_id == ("own:rows.jsonl#A book" if "source" in row else "own:rows.jsonl")


def test_what_ends_a_turn_of_any_model_goes_and_a_thought_stays(tmp_path: Path) -> None:
    answer = (
        "<think>Why?</think> [INST]So[/INST]<end_of_turn>, <eos>and "
        "<|<|x|>im_end|><<SYS>>why<</SYS>>."
    )
    lines(tmp_path, {**PAIR, "answer": answer})
    (example,) = own.read(tmp_path).examples
    assert example.answer == "<think>Why?</think> So, and why."


def test_a_number_sign_in_the_name_of_a_file_hides_no_id(tmp_path: Path) -> None:
    lines(tmp_path, {**PAIR, "source": "PMID:9"}, name="batch#2.jsonl")
    (example,) = own.read(tmp_path).examples
    assert example_ids(example) == {"pmid:9"}


def test_one_json_list_is_read_like_lines(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps([PAIR, PAIR]))
    assert [row.messages for row in own.read(tmp_path).examples] == [TURNS, TURNS]


def test_a_title_above_the_question_stays_with_it(tmp_path: Path) -> None:
    lines(tmp_path, {"text": "About lamps\nQuestion: Why?\nAnswer: So.\nNo more."})
    (example,) = own.read(tmp_path).examples
    assert (example.prompt, example.answer) == ("About lamps\nWhy?", "So.\nNo more.")


def test_rows_of_an_earlier_collection_keep_their_paper_and_title(tmp_path: Path) -> None:
    made = paper_examples(make_paper(5), recipes=["conclusion"], per_paper=1, seed=1)
    chat.write(tmp_path / "train.jsonl", made)
    (example,) = own.read(tmp_path).examples
    assert example.messages == made[0].messages
    assert example.id != made[0].id
    assert (example.paper_id, example.title) == ("own:train.jsonl#pmid:5", made[0].title)


def test_equal_sources_share_a_cluster_and_others_do_not(tmp_path: Path) -> None:
    lines(tmp_path, {**PAIR, "source": "A book"}, {"messages": TURNS, "paper_id": 7})
    lines(
        tmp_path,
        {"question": "How?", "answer": "So.", "source": "a BOOK"},
        {"text": "Question: How?\nAnswer: So.", "paper_id": "7", "source": "pubmed"},
        PAIR,
        {"question": "WHY does the lamp smoke", "answer": "Nobody knows."},
        {"question": "Who?", "answer": "The keeper.", "source": "pubmed"},
        name="then/more.jsonl",
    )
    book, seven, *_ = clusters = [row.cluster_id for row in own.read(tmp_path).examples]
    alike = clusters[4]
    assert len({book, seven, alike, clusters[6]}) == 4
    assert clusters == [book, seven, book, seven, alike, alike, clusters[6]]


@pytest.mark.parametrize("given", ["pmid:5", "PMID: 5", "https://doi.org/10.1000/X"])
def test_a_row_about_a_collected_paper_joins_its_cluster(tmp_path: Path, given: str) -> None:
    papers = [make_paper(3), make_paper(5, cluster_id="pmid:3", doi="10.1000/x")]
    lines(tmp_path, {**PAIR, "source": given})
    assert own.read(tmp_path, papers=papers).examples[0].cluster_id == "pmid:3"


def test_ids_are_distinct_and_do_not_depend_on_the_order_of_rows(tmp_path: Path) -> None:
    rows = [PAIR, PAIR, {**PAIR, "answer": "No."}, {"messages": TURNS}]
    lines(tmp_path / "one", *rows)
    lines(tmp_path / "other", *rows[::-1])
    one, other = (own.read(tmp_path / name).examples for name in ("one", "other"))
    assert len({row.id for row in one}) == 4
    assert {row.id for row in one} == {row.id for row in other}


def test_what_is_not_used_is_counted_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines(
        tmp_path,
        PAIR,
        {"text": "Question: Why?\n\nAnswer:"},
        {"text": "An abstract."},
        {**PAIR, "source": "PMID:9"},
    )
    (tmp_path / "notes.docx").write_text("x")
    (tmp_path / "packed.jsonl.gz").write_bytes(gzip.compress(json.dumps(PAIR).encode()))
    for name in (".gitkeep", "rows.jsonl.dvc", ".gitignore"):
        (tmp_path / name).write_text("x")
    lines(tmp_path, PAIR, name=".ipynb_checkpoints/rows-checkpoint.jsonl")
    rows = own.read(tmp_path, excluded={"pmid:9"})
    assert rows.counts == {
        "rows": {"packed.jsonl.gz": 1, "rows.jsonl": 1},
        "left_out": {"rows.jsonl": {"excluded": 1, "no question and answer in the text": 2}},
        "ignored": {},
        "other_domain": {},
        "unknown_files": ["notes.docx"],
    }
    rows.log()
    assert "rows.jsonl: rows left out: {'excluded': 1" in caplog.text
    assert "notes.docx: not read; names of rows end in .jsonl, .ndjson" in caplog.text


def test_an_empty_folder_is_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / ".gitkeep").touch()
    rows = own.read(tmp_path)
    rows.log()
    assert (rows.examples, rows.counts, rows.outcome([], []), caplog.text) == ([], {}, {}, "")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "Why?"}, 'keys prompt: no known form. Allowed: {"question", "answer"'),
        ({"question": "Why?"}, "keys question: no known form."),
        ({"question": "Why?", "answer": " "}, "message 2: content must be a text that is not"),
        ({"question": "Why?", "answer": "<|end|>"}, "message 2: content must be a text that"),
        ({"question": 3, "answer": "So."}, "message 1: content is a number, expected a text"),
        ({"messages": TURNS[:1]}, "messages: expected a list of at least a question and an ans"),
        ({"messages": TURNS[::-1]}, "the last message is from user, expected assistant"),
    ],
)
def test_a_bad_row_is_refused_with_its_place(
    tmp_path: Path, row: dict[str, Any], message: str
) -> None:
    path = lines(tmp_path, PAIR, row)
    path.write_text("\n" + path.read_text())
    with pytest.raises(FormatError) as error:
        own.read(tmp_path)
    assert str(error.value).startswith(f"{path}:3: {message}")
    assert f"(1 such rows, 1 can be used). See them all: titer data validate {path}" in str(
        error.value
    )
    path.unlink()
    (tmp_path / "rows.json").write_text(json.dumps([PAIR, row]))
    with pytest.raises(FormatError) as error:
        own.read(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / 'rows.json'}:1: record 2: {message}")


def test_a_row_of_tools_and_of_ratings_is_read_and_its_other_keys_are_counted(
    tmp_path: Path,
) -> None:
    lines(tmp_path, {"messages": TURNS, "tools": [], "mood": "calm"}, {"messages": TURNS})
    lines(tmp_path, {"user": "Why?", "assistant": "So.", "satisfaction": 0.9}, name="b.jsonl")
    rows = own.read(tmp_path)
    assert rows.counts["rows"] == {"b.jsonl": 1, "rows.jsonl": 2}
    assert rows.counts["ignored"] == {"rows.jsonl": {"mood": 1, "tools": 1}}
    assert not any(row.fields for row in rows.examples)


def test_a_data_set_that_dataset_info_describes_is_read_by_its_columns(tmp_path: Path) -> None:
    lines(tmp_path, {"ask": "Why?", "say": "So."}, name="x.json")
    entry = {"file_name": "x.json", "columns": {"prompt": "ask", "response": "say"}}
    elsewhere = {"far": {"hf_hub_url": "a/b"}, "gone": {"file_name": "gone.json", "ranking": True}}
    (tmp_path / "dataset_info.json").write_text(json.dumps({"x": entry, **elsewhere}))
    (example,) = own.read(tmp_path).examples
    assert (example.prompt, example.answer) == ("Why?", "So.")


def test_a_row_of_another_domain_is_kept_flagged_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines(
        tmp_path,
        {"question": "How is toluene dried?", "answer": "Over sodium, then distilled."},
        {"question": "Is lupus treated with toluene?", "answer": "No; lupus is not a solvent."},
    )
    words_of = {"autoimmune": ["lupus", "toluene"], "chemistry": ["toluene", "distilled", "pH"]}
    rows = own.read(tmp_path, domain="autoimmune", words_of=words_of)
    assert rows.counts["other_domain"] == {"rows.jsonl": {"chemistry": 1}}
    assert len(rows.examples) == 2
    rows.log()
    assert "rows that speak of another domain: {'chemistry': 1}" in caplog.text


def test_the_outcome_says_what_became_of_every_row(tmp_path: Path) -> None:
    papers = [make_paper(number) for number in range(1, 41)]
    plain = build(papers, make_settings(), [])
    heldout = plain.heldout_papers[0].paper_id
    books = [{**PAIR, "source": f"Book {n}"} for n in range(30)]
    about = [{"question": f"How {n}?", "answer": "So.", "source": f"Book {n}"} for n in range(30)]
    lines(tmp_path, *books, *about, {**PAIR, "answer": "Other.", "source": heldout})
    rows = own.read(tmp_path, papers=papers)
    built = build(papers, make_settings(), [], extra=rows.examples)
    counts = rows.outcome([*built.train, *built.validation], built.removed)["own"]
    assert counts["rows"] == {"rows.jsonl": 61}
    assert (counts["used"], counts["removed"], counts["set_aside"]) == (31, {"duplicate": 29}, 1)
    assert built.heldout_papers == plain.heldout_papers


@pytest.mark.parametrize("name", ["rows.jsonl", "deep"])
def test_a_link_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    outside = lines(tmp_path / "elsewhere", PAIR)
    (own_rows := tmp_path / "own").mkdir()
    (own_rows / name).symlink_to(outside if name == outside.name else outside.parent)
    with pytest.raises(FormatError, match=rf"own/{name}: a link out of the folder\. Put the file"):
        own.read(own_rows)


def test_a_link_within_the_folder_is_read(tmp_path: Path) -> None:
    rows = lines(tmp_path, PAIR)
    (tmp_path / "again.jsonl").symlink_to(rows)
    assert set(own.read(tmp_path).counts["rows"]) == {"rows.jsonl", "again.jsonl"}

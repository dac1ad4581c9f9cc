"""The data card: the synthetic label first, every licence, no times, nothing that acts."""

import re
from dataclasses import replace
from typing import Any

import yaml

from tests.examples.papers import item, make_paper, make_settings
from titer.config import RECIPES
from titer.examples import counts, data_card
from titer.examples.build import build

CONTENTS = {"stats.json": "every number of this page"}


def stats(*, settings: Any = None, ids: Any = None, **changes: Any) -> dict[str, Any]:
    """Counts of forty papers, one of them asked by the benchmark."""
    used = settings or make_settings()
    papers = [make_paper(number, **changes) for number in range(1, 41)]
    built = build(papers, used, [item("Other?", ids=frozenset({"5"}))])
    lists: dict[str, Any] = {"skipped": [], "rejected": [], "duplicate": []}
    found = counts.of(papers=papers, copies=[], built=built, ids=ids or {}, lists=lists)
    return {**built.counts, **found, "settings": vars(used)}


def card(found: dict[str, Any], title: str = "Lantern fever") -> str:
    return data_card.render(
        found, title=title, contents=CONTENTS, tags=["biology", "medical"],
        wording={"reviewed by a clinician": "reviewed by a keeper"},
    )  # fmt: skip


def split(text: str) -> tuple[dict[str, Any], str]:
    _, head, body = text.split("---\n", 2)
    return yaml.safe_load(head), body


def test_synthetic_papers_are_named_before_anything_else() -> None:
    head, body = split(card(stats(synthetic=True)))
    assert card(stats(synthetic=True)).splitlines()[1].startswith("# SYNTHETIC PAPERS")
    assert body.strip().startswith("> **SYNTHETIC PAPERS.** 40 of 40 papers and ")
    assert "synthetic" in head["tags"]


def test_real_papers_carry_no_such_label() -> None:
    assert "synthetic" not in card(stats()).lower()


def test_the_head_is_what_the_hub_expects() -> None:
    head, _ = split(card(stats()))
    assert (head["license"], head["language"]) == ("other", ["en"])
    assert head["size_categories"] == ["n<1K"]
    assert head["task_categories"] == ["question-answering", "text-generation"]
    paths = [one["path"] for one in head["configs"][0]["data_files"]]
    assert paths == ["examples/train.jsonl", "examples/validation.jsonl"]


def test_the_table_of_licences_holds_every_paper_and_row() -> None:
    found = stats(license=None)
    found["paper_licences"] = {"cc-by": 10, "cc-by-nc": 10, "not known": 20}
    found["licences"] = {"cc-by": 60, "cc0": 1, "not known": 100}
    table = card(found).partition("## Licences\n\n")[2].partition("\n\n")[0]
    assert table.splitlines()[2:] == [
        "| cc-by | 10 | 60 | yes |",
        "| cc-by-nc | 10 | 0 | no |",
        "| cc0 | 0 | 1 | yes |",
        "| not known | 20 | 100 | no |",
    ]


def test_the_card_is_the_same_each_time_and_holds_no_time() -> None:
    text = card(stats())
    assert text == card(stats())
    assert not re.search(r"\d\d:\d\d|20\d\d-\d\d-\d\d", text)


def test_a_gate_that_was_not_measured_says_so() -> None:
    assert "The recall of the gate was not measured here" in card(stats())


def test_a_bad_recall_is_printed_like_a_good_one() -> None:
    planted = {"caught": 1, "of": 4, "recall": 0.25, "known_limit": "a paraphrase"}
    text = card({**stats(), "planted": planted})
    assert "1 of 4 were found (recall 25.0 %). Known limit: a paraphrase." in text


def test_a_chosen_recipe_without_rows_stands_at_zero() -> None:
    rows = {row[0]: row for row in data_card.recipe_rows(stats())}
    assert list(rows) == list(RECIPES)
    assert rows["keywords"][1:4] == ("-", 0, 0)


def test_rows_that_no_recipe_made_are_listed() -> None:
    found = stats()
    found["recipes"]["train"]["own"] = 7
    assert data_card.recipe_rows(found)[-1] == ("own", "-", 7, 0, "rows that no recipe made")


def test_missing_papers_and_warnings_of_queries_are_shown() -> None:
    query = {"query_id": "pubmed:1", "query": "lantern[MeSH] | lamp", "until": "2030-12-31",
             "count": 1200, "ids": ["1"], "warnings": ["phrase not found: lamp"]}  # fmt: skip
    found = stats(ids={"source": "live", "snapshot": "2030-12-31", "pubmed": [query]})
    found["missing_ids"] = ["pmid:7"]
    text = card(found)
    assert "| pubmed:1 | 1,200 | 1 | lantern\\[MeSH] \\| lamp | phrase not found: lamp |" in text
    assert "Listed by a service and never delivered: 1 (pmid:7)." in text
    assert "Snapshot 2030-12-31" in text


def test_texts_from_outside_do_not_act() -> None:
    text = card(stats(), title="<script>`a`|b*c*\n## d [x](y)")
    assert "# \\<script>\\`a\\`\\|b\\*c\\* ## d \\[x](y): papers" in text


def test_limits_in_use_are_printed() -> None:
    used = replace(make_settings(), per_journal=9, recipe_share=0.5)
    text = card(stats(settings=used))
    assert (
        "At most 6 per paper, 9 per journal, and no recipe above 50.0 % of the training rows."
    ) in text


def test_files_that_were_left_alone_are_named() -> None:
    ids = {"source": "files", "files": [{"name": "a.xml", "records": 40}], "ignored": ["b.pdf"]}
    assert "Files that are no papers, left alone: b.pdf." in card(stats(ids=ids))


def test_a_licence_policy_is_printed() -> None:
    used = replace(make_settings(), licences=["cc0", "cc-by"])
    assert "Kept here are only papers under cc0, cc-by." in card(stats(settings=used))


def test_rows_of_the_users_own_and_their_held_out_sources_are_named() -> None:
    assert "the user's own" not in card(stats())
    found = stats() | {"heldout_own": 3, "sources": {"own": 9}}
    assert "and 3 sources of the user's own rows. A row is" in card(found)
    assert "A row of the user's own has no paper: it names its file" in card(found)

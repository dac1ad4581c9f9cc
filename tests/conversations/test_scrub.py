"""Personal data go, the rest of the text stays; recall and precision on a planted set are held."""

import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.imports import ROOT
from titer import files
from titer.conversations.scrub import OUT_OF_REACH, scrub

PLANTED = list(files.read_jsonl(ROOT / "tests" / "fixtures" / "personal_data.jsonl"))
BEYOND = {"name", "address", "age", "month"}
"""Kinds that no pattern finds, planted to show it."""


def found_and_planted() -> tuple[Counter[str], Counter[str]]:
    planted: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for row in PLANTED:
        clean, _ = scrub(row["text"])
        for kind, text in row["personal"]:
            assert text in row["text"]
            planted[kind] += 1
            found[kind] += text not in clean
    return found, planted


def test_recall_on_the_planted_set_is_what_the_page_says() -> None:
    found, planted = found_and_planted()
    shares = {kind: (found[kind], planted[kind]) for kind in sorted(planted)}
    assert shares == {
        "IBAN": (2, 2), "IP address": (2, 2), "address": (0, 2), "age": (0, 1), "card": (1, 1),
        "date": (11, 14), "e-mail": (5, 6), "id": (12, 15), "month": (0, 1), "name": (0, 3),
        "phone": (10, 11),
    }  # fmt: skip
    within_reach = [kind for kind in planted if kind not in BEYOND]
    n_found = sum(found[kind] for kind in within_reach)
    n_planted = sum(planted[kind] for kind in within_reach)
    assert (n_found, n_planted) == (43, 51), "0.84 of what patterns can find"
    page = (ROOT / "docs" / "conversations.md").read_text(encoding="utf-8")
    assert f"{n_found} of {n_planted}" in page


def test_precision_on_the_planted_set_is_what_the_page_says() -> None:
    n_replaced = sum(scrub(row["text"])[1].total() for row in PLANTED)
    false = [row["text"] for row in PLANTED if not row["personal"] and scrub(row["text"])[1]]
    assert n_replaced == 44
    assert false == ["In May 40 % responded; 12 may relapse within 6 months."]
    page = (ROOT / "docs" / "conversations.md").read_text(encoding="utf-8")
    assert f"43 of the {n_replaced}" in page


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Mail a@b.org, c@d.org.", "Mail [e-mail], [e-mail]."),
        ("MRN 12345678 and SSN 078-05-1121", "MRN [id] and SSN [id]"),
        ("4111 1111 1111 1111", "[card]"),
        ("4111 1111 1111 1112", "4111 1111 1111 1112"),
        ("DE89370400440532013000 DE89370400440532013001", "[IBAN] DE89370400440532013001"),
        ("943 476 5919 943 476 5918", "[id] 943 476 5918"),
        ("31/12/2020, 32/12/2020", "[date], 32/12/2020"),
        ("PMID 2125550143", "PMID 2125550143"),
        ("call 2125550143", "call [phone]"),
        ("300.1.1.1 and 10.0.0.1", "300.1.1.1 and [IP address]"),
        ("at ::1: and fe80::1", "at ::1: and [IP address]"),
    ],
)
def test_check_digits_and_announcements_decide(text: str, clean: str) -> None:
    assert scrub(text)[0] == clean


def test_each_kind_is_counted() -> None:
    assert scrub("x@y.org, z@y.org on 3 May 2020")[1] == {"e-mail": 2, "date": 1}


ODD = st.text(st.sampled_from("0123456789-./:@ a[]+()MayIDno#\n\0\ud800é"), max_size=60)


@given(text=ODD | st.text(max_size=80))
def test_any_text_is_scrubbed_once_for_all(text: str) -> None:
    once, counts = scrub(text)
    assert scrub(once) == (once, Counter())
    assert (once == text) == (not counts)


@pytest.mark.parametrize("piece", ["a.", "1 ", "a@", "May ", "::", "MRN ", "1-"])
def test_ten_times_the_text_takes_no_hundred_times_the_time(piece: str) -> None:
    scrub(piece)  # libraries load at the first call
    spent = []
    for n in (1_000, 10_000):
        before = time.process_time()
        scrub(piece * n)
        spent.append(time.process_time() - before)
    assert spent[1] < max(40 * spent[0], 0.5)


def test_what_is_out_of_reach_is_said() -> None:
    assert OUT_OF_REACH.startswith("Names, postal addresses and ages are not scrubbed")

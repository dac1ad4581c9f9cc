"""Every fault that a collection must survive, with the tests that show it.

The list is the reference's (literature.md, "Faults to survive, one test each"), one row per fault;
a row names `file::test` of this folder, or `file::test[id]` for a row of a test's table.
"""

import ast
import re
from pathlib import Path

import pytest

REFERENCE = """
429 with and without Retry-After, 429 for minutes; 500/502/503; 400 bad query (fatal); DNS failure,
refused; reset before headers; stall before headers, mid-body; slow drip; truncated with length,
chunked, without length; cut gzip; HTML 200; JSON error 200; eSearch ERROR 200;
ErrorList/WarningList; zero hits; Count changing between slices; retstart cap; more than 9,999 in a
day; ids missing, repeated, not asked for; book article; deleted PMID; merged versions; expired
WebEnv; new DTD; new tag; illegal byte; bad encoding; 50 MB answer; arXiv: empty first page, short
page, repeated page, changed order, entry without id or summary, "Error" entry, withdrawn paper,
version bump; disk full; kill at any moment; two runs at once; read-only home; clock jump; wrong key
or e-mail; proxy variables set; unwritable output; corrupted cache file
"""
SEARCH, FETCH = "test_pubmed_client::test_a_search_survives", "test_fetch_faults"
ARXIV, DISK = "test_arxiv_client::test_a_query_survives", "test_disk_faults"
TAKES = "test_pubmed_client::test_a_fetch_takes_as_it_is"

TESTS = {
    "429 with and without Retry-After": [
        f"{SEARCH}[429 with Retry-After]", f"{SEARCH}[429 with a date]", f"{SEARCH}[429 without]",
        f"{ARXIV}[429 with Retry-After]", f"{ARXIV}[429 without]",
        "test_http::test_a_date_counts_from_the_time_of_the_answer_not_from_our_clock",
    ],
    "429 for minutes": [
        f"{FETCH}::test_429_for_a_while_is_waited_out",
        f"{FETCH}::test_429_without_end_stops_in_one_line_and_the_same_command_continues",
    ],
    "500/502/503": [
        f"{SEARCH}[500]", f"{SEARCH}[502]", f"{SEARCH}[503 with Retry-After]", f"{ARXIV}[503]",
        "test_pubmed_client::test_a_service_that_stays_down_is_unavailable",
    ],
    "400 bad query (fatal)": ["test_pubmed_client::test_a_refused_query_is_not_repeated"],
    "DNS failure": [f"{FETCH}::test_a_name_that_does_not_resolve_is_one_line"],
    "refused": [f"{FETCH}::test_a_refused_connection_is_one_line"],
    "reset before headers": [f"{SEARCH}[reset]", f"{ARXIV}[reset]"],
    "stall before headers": [f"{SEARCH}[stall]", f"{ARXIV}[stall]"],
    "stall mid-body": [f"{SEARCH}[stall in the body]", f"{ARXIV}[stall in the body]"],
    "slow drip": [f"{FETCH}::test_a_slow_drip_is_cut_off_and_asked_for_again"],
    "truncated with length": [f"{SEARCH}[cut with length]", f"{ARXIV}[cut with length]"],
    "truncated chunked": [f"{SEARCH}[cut chunked]", f"{ARXIV}[cut chunked]"],
    "truncated without length": [f"{SEARCH}[cut without length]", f"{ARXIV}[cut without length]"],
    "cut gzip": [f"{SEARCH}[cut gzip]", f"{ARXIV}[cut gzip]"],
    "HTML 200": [f"{SEARCH}[html]", f"{ARXIV}[html]"],
    "JSON error 200": [f"{SEARCH}[json]", f"{ARXIV}[json]"],
    "eSearch ERROR 200": [f"{SEARCH}[ERROR]"],
    "ErrorList/WarningList": [f"{FETCH}::test_what_pubmed_ignored_in_a_query_is_kept_and_said"],
    "zero hits": ["test_collect::test_a_query_without_hits_is_an_error"],
    "Count changing between slices": [
        f"{FETCH}::test_a_count_that_changes_between_slices_is_asked_for_again",
        "test_pubmed_slices::test_counts_that_never_add_up_are_an_error",
        "test_arxiv_slices::test_parts_that_do_not_add_up_are_asked_for_anew",
    ],
    "retstart cap": [f"{FETCH}::test_no_search_asks_past_the_cap_and_none_uses_the_history"],
    "more than 9,999 in a day": ["test_pubmed_slices::test_one_day_is_halved_by_ranges_of_ids"],
    "ids missing": [
        f"{SEARCH}[fewer]", "test_pubmed_client::test_only_missing_ids_are_asked_for_again",
        "test_collect::test_a_paper_that_never_comes_is_listed_as_missing",
    ],
    "ids repeated": [f"{SEARCH}[repeated]", f"{TAKES}[dup]", f"{ARXIV}[one too many]"],
    "ids not asked for": [
        f"{FETCH}::test_records_that_were_not_asked_for_are_left_out_with_a_reason"
    ],
    "book article": [f"{FETCH}::test_a_book_counts_as_received"],
    "deleted PMID": [f"{FETCH}::test_a_deleted_record_is_not_asked_for_again"],
    "merged versions": [f"{FETCH}::test_a_record_merged_into_another_is_listed_as_missing"],
    "expired WebEnv": [f"{FETCH}::test_no_search_asks_past_the_cap_and_none_uses_the_history"],
    "new DTD": [f"{TAKES}[new_dtd]"],
    "new tag": [f"{TAKES}[new_tag]"],
    "illegal byte": [
        "test_pubmed_client::test_a_fetch_survives[bad byte]",
        "test_pubmed_client::test_a_forbidden_byte_that_stays_is_taken_out_at_last",
    ],
    "bad encoding": ["test_pubmed_client::test_a_fetch_survives[bad encoding]"],
    "50 MB answer": [f"{FETCH}::test_an_answer_of_50_megabytes_is_taken"],
    "arXiv: empty first page": [f"{ARXIV}[empty]"],
    "arXiv: short page": [f"{ARXIV}[short]"],
    "arXiv: repeated page": [
        "test_arxiv_client::test_a_repeated_page_is_asked_for_again",
        f"{FETCH}::test_a_page_that_never_fits_the_others_ends_in_one_line",
    ],
    "arXiv: changed order": [
        f"{FETCH}::test_entries_in_another_order_are_asked_for_anew",
        f"{FETCH}::test_a_total_that_changes_between_pages_is_asked_for_anew",
    ],
    "arXiv: entry without id or summary": [
        f"{ARXIV}[entry without id]",
        f"{FETCH}::test_an_entry_without_a_summary_counts_as_withdrawn",
    ],
    'arXiv: "Error" entry': ["test_arxiv_client::test_an_error_feed_shows_what_the_service_says"],
    "arXiv: withdrawn paper": [f"{FETCH}::test_a_withdrawn_paper_is_marked"],
    "arXiv: version bump": [
        f"{FETCH}::test_a_new_version_between_two_pages_is_the_same_paper",
        "test_collect::test_the_newest_version_of_an_id_is_kept",
    ],
    "disk full": [
        f"{DISK}::test_a_full_disk_is_one_line_and_the_same_command_continues",
        f"{DISK}::test_a_file_system_that_fills_up_holds_whole_files_only",
    ],
    "kill at any moment": [
        f"{DISK}::test_a_run_killed_at_any_moment_is_continued",
        f"{DISK}::test_half_a_file_of_a_killed_run_is_swept",
    ],
    "two runs at once": [f"{DISK}::test_a_second_run_at_once_is_refused_in_one_line"],
    "read-only home": [f"{DISK}::test_a_home_that_cannot_be_written_is_not_needed"],
    "clock jump": [f"{FETCH}::test_a_clock_that_jumps_changes_neither_pace_nor_papers"],
    "wrong key or e-mail": [
        f"{FETCH}::test_a_wrong_key_or_address_names_the_variable_and_never_its_value"
    ],
    "proxy variables set": ["test_secrets::test_a_proxy_is_not_asked_for_this_machine"],
    "unwritable output": [
        f"{DISK}::test_an_output_that_cannot_be_written_is_one_line_and_costs_no_second_fetch",
        f"{DISK}::test_a_cache_that_cannot_be_written_is_one_line",
    ],
    "corrupted cache file": [
        "test_collect::test_a_damaged_answer_is_fetched_again",
        "test_cache::test_a_flipped_bit_is_noticed",
    ],
}  # fmt: skip

SHARED = {"mid-body": "stall", "chunked": "truncated", "without length": "truncated"} | {
    "repeated": "ids", "not asked for": "ids",
}  # fmt: skip
"""Words that the reference says once for several faults."""


def faults() -> list[str]:
    """The faults of the reference's sentence, one by one."""
    found = []
    for part in " ".join(REFERENCE.split()).split("; "):
        head, colon, rest = part.partition(": ")
        items = re.split(r", (?!000|999)", rest if colon else part)
        prefix = f"{head}: " if colon else ""
        found += [
            f"{prefix}{SHARED[one]} {one}" if one in SHARED else prefix + one for one in items
        ]
    return found


def test_every_fault_of_the_reference_has_a_row() -> None:
    assert list(TESTS) == faults()


@pytest.mark.parametrize("name", sorted({name for names in TESTS.values() for name in names}))
def test_a_named_test_exists(name: str) -> None:
    file, _, rest = name.partition("::")
    function, _, row = rest.rstrip("]").partition("[")
    text = (Path(__file__).parent / f"{file}.py").read_text(encoding="utf-8")
    functions = {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
    assert function in functions
    assert f'"{row}"' in text or not row

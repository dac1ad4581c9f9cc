"""What services answer is taken only when it is whole and well-formed."""

import pytest

from titer.literature.answers import root_of, search_result
from titer.literature.http import Unusable


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"error": "API rate limit exceeded"}', "ERROR: API rate limit exceeded"),
        (b'{"error": ', "ERROR: cut JSON"),
        (b'{"a":' * 100_000, "ERROR: cut JSON"),
        (b"<eSearchResult><Count>1</Count>", "cut or not XML"),
        (b"<html></html>", "<html> instead of <eSearchResult>"),
    ],
    ids=["limit", "cut", "deep", "cut XML", "page"],
)
def test_another_answer_is_named(body: bytes, reason: str) -> None:
    with pytest.raises(Unusable) as error:
        root_of(body, "eSearchResult")
    assert str(error.value) == reason


@pytest.mark.parametrize("count", ["", "\u00b2", "-1", "9" * 5000])
def test_a_count_that_is_no_number_is_unusable(count: str) -> None:
    body = f"<eSearchResult><Count>{count}</Count></eSearchResult>".encode()
    with pytest.raises(Unusable, match="without a count"):
        search_result(root_of(body, "eSearchResult"))


def test_ids_that_do_not_agree_with_the_count_are_unusable() -> None:
    body = b"<eSearchResult><Count>2</Count><IdList><Id>7</Id></IdList></eSearchResult>"
    with pytest.raises(Unusable, match="1 of 2 ids"):
        search_result(root_of(body, "eSearchResult"))

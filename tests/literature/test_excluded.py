"""The user's list of papers that nothing may be learned from."""

from pathlib import Path

import pytest

from titer.errors import ConfigError, FormatError
from titer.literature.excluded import exclude, read_excluded


def listed(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "excluded.txt"
    path.write_text(text)
    return path


def test_the_users_list_holds_ids_and_comments(tmp_path: Path) -> None:
    path = listed(tmp_path, "# mine\npmid:1  # asked for\n\narxiv:2401.00001\n10.1/ABC\n")
    assert read_excluded(path) == {"pmid:1", "arxiv:2401.00001", "10.1/abc"}


def test_a_wrong_line_of_the_users_list_is_named(tmp_path: Path) -> None:
    path = listed(tmp_path, "pmid:1\n12345\n")
    with pytest.raises(FormatError, match=r"excluded\.txt:2: '12345' is no id"):
        read_excluded(path)


def test_an_id_is_added_once_and_what_was_there_stays(tmp_path: Path) -> None:
    path = listed(tmp_path, "# mine\npmid:1")
    assert exclude(path, ["pmid:2", "pmid:1", "pmid:2"]) == ["pmid:2"]
    assert path.read_text() == "# mine\npmid:1\npmid:2\n"
    assert exclude(path, ["pmid:2"]) == []
    assert path.read_text() == "# mine\npmid:1\npmid:2\n"


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("123", "pmid:123"),
        ("PMID:123", "pmid:123"),
        ("arXiv:2401.00001", "arxiv:2401.00001"),
        ("doi:10.1/ABC", "10.1/abc"),
        ("https://doi.org/10.1/abc", "10.1/abc"),
        ("arXiv:2401.00001v2", "arxiv:2401.00001"),
        ("10.48550/arXiv.2401.00002v1", "10.48550/arxiv.2401.00002"),
        ("10.1/abcv2", "10.1/abcv2"),
    ],
)
def test_an_id_is_written_in_one_spelling(tmp_path: Path, given: str, written: str) -> None:
    path = listed(tmp_path, "")
    assert exclude(path, [given]) == [written]
    assert read_excluded(path) == {written}


def test_what_is_no_id_changes_nothing(tmp_path: Path) -> None:
    path = listed(tmp_path, "pmid:1\n")
    with pytest.raises(ConfigError, match=r"'a title': not the id of a paper\. Write pmid:"):
        exclude(path, ["pmid:2", "a title"])
    assert path.read_text() == "pmid:1\n"


def test_a_version_on_the_list_is_the_paper(tmp_path: Path) -> None:
    assert read_excluded(listed(tmp_path, "arXiv:2401.00001v2\n")) == {"arxiv:2401.00001"}

"""Raw responses on disk."""

from pathlib import Path

import pytest

from titer.errors import DataError, SourceError
from titer.literature.cache import Cache, ids_key


def test_what_is_written_is_read(cache: Cache) -> None:
    cache.write("pubmed", "ab", b"<xml/>")
    assert cache.read("pubmed", "ab") == b"<xml/>"
    assert cache.path("pubmed", "ab").name == "ab.xml.gz"


def test_equal_answers_give_equal_bytes(cache: Cache, tmp_path: Path) -> None:
    other = Cache(tmp_path / "other", "2030-12-31", offline=False)
    for one in (cache, other):
        one.write("arxiv", "ab", b"<feed/>")
    assert cache.path("arxiv", "ab").read_bytes() == other.path("arxiv", "ab").read_bytes()


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"\x1f\x8b"])
def test_a_damaged_answer_is_absent(cache: Cache, damage: bytes) -> None:
    cache.write("pubmed", "ab", b"<xml/>")
    cache.path("pubmed", "ab").write_bytes(damage)
    assert cache.read("pubmed", "ab") is None


def test_a_flipped_bit_is_noticed(cache: Cache) -> None:
    cache.write("pubmed", "ab", b"<xml/>" * 50)
    content = bytearray(cache.path("pubmed", "ab").read_bytes())
    content[-6] ^= 1  # in the checksum at the end
    cache.path("pubmed", "ab").write_bytes(bytes(content))
    assert cache.read("pubmed", "ab") is None


def test_a_damaged_id_list_is_absent(cache: Cache) -> None:
    cache.write_ids("ab", {"ids": ["1"]})
    assert cache.read_ids("ab") == {"ids": ["1"]}
    cache.path("ids", "ab").write_text('{"ids": [')
    assert cache.read_ids("ab") is None


def test_the_key_of_a_batch_does_not_depend_on_its_order() -> None:
    assert ids_key(["10", "9"]) == ids_key(["9", "10"]) != ids_key(["9", "1"])


def test_a_second_run_is_refused_while_one_holds_the_folder(cache: Cache) -> None:
    other = Cache(cache.folder.parent, cache.folder.name, offline=False)
    refused = pytest.raises(DataError, match="another run is fetching into it")
    with cache.locked(), refused, other.locked():
        pass
    with other.locked():
        pass


def test_offline_refuses_a_miss_in_one_line(tmp_path: Path) -> None:
    cache = Cache(tmp_path, "2030-12-31", offline=True)
    with pytest.raises(
        SourceError, match=r"PubMed search: not in .*papers\.offline=true"
    ) as caught:
        cache.check_online("PubMed search")
    assert "\n" not in str(caught.value)

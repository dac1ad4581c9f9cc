"""Documents cut into records, whatever the blocks in which they arrive."""

import codecs
import tracemalloc
from collections.abc import Iterator
from io import BytesIO, RawIOBase
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.standin import corpus
from titer.errors import FormatError
from titer.files import sha256_bytes
from titer.literature import raw

ODD_RECORDS = {
    "plain": "<PubmedArticle><a>text</a></PubmedArticle>",
    "end tag in a comment": "<PubmedArticle><!-- </PubmedArticle> --></PubmedArticle>",
    "end tag in CDATA": "<PubmedArticle><![CDATA[</PubmedArticle>]]></PubmedArticle>",
    "end tag in an instruction": "<PubmedArticle><?x </PubmedArticle>?></PubmedArticle>",
    "spaces in the tags": "<PubmedArticle\n a='>' b=\"/>\" ></PubmedArticle \n>",
    "nothing inside": "<PubmedArticle/>",
    "attribute and nothing inside": '<PubmedArticle a="1" />',
    "longer name inside": "<PubmedArticle><PubmedArticleX></PubmedArticleX></PubmedArticle>",
    "book": "<PubmedBookArticle>\nβ\n</PubmedBookArticle>",
    "deleted": "<DeleteCitation><PMID>1</PMID></DeleteCitation>",
    "illegal byte": "<PubmedArticle>\x01</PubmedArticle>",
}
BETWEEN = [
    "",
    "\n",
    "  \n\t",
    "<!-- <PubmedArticle> -->",
    "<Other>x</Other>",
    "<?p <PubmedArticle>?>",
]


class Blocks(RawIOBase):
    """A stream that gives as many bytes as it likes."""

    def __init__(self, body: bytes, sizes: Iterator[int]) -> None:
        self.body, self.sizes, self.at = body, sizes, 0

    def read(self, size: int = -1) -> bytes:
        start = self.at
        self.at += min(next(self.sizes), size)
        return self.body[start : self.at]


def in_blocks(body: bytes, *sizes: int) -> BinaryIO:
    endless = (sizes[i % len(sizes)] for i in range(2 * len(body) + 2))
    return cast(BinaryIO, Blocks(body, endless))


def document(*pieces: str, head: str = corpus.HEAD) -> bytes:
    return f"{head}<PubmedArticleSet>{''.join(pieces)}</PubmedArticleSet>\n".encode()


def contents(body: bytes) -> list[bytes]:
    return [record.content for record in raw.split(BytesIO(body))]


@pytest.mark.parametrize("record", ODD_RECORDS.values(), ids=ODD_RECORDS)
def test_a_record_is_its_own_bytes(record: str) -> None:
    plain = ODD_RECORDS["plain"]
    expected = [plain.encode(), record.encode(), plain.encode()]
    assert contents(document(plain, "\n", record, plain)) == expected


@given(
    st.lists(st.tuples(st.sampled_from(list(ODD_RECORDS.values())), st.sampled_from(BETWEEN))),
    st.lists(st.integers(1, 40), min_size=1, max_size=5),
)
def test_blocks_of_any_size_give_the_same_records(
    pairs: list[tuple[str, str]], sizes: list[int]
) -> None:
    body = document(*(piece for pair in pairs for piece in pair))
    found = list(raw.split(in_blocks(body, *sizes)))
    assert [record.content.decode() for record in found] == [record for record, _ in pairs]
    for record in found:
        rest = b"\n".join(body.split(b"\n")[record.line - 1 :])
        assert record.content in rest, "its line is not behind it"
        assert rest.index(b"<") <= rest.index(record.content)


def test_the_line_is_that_of_the_start_tag() -> None:
    body = document("\n", "<PubmedArticle>\n\n</PubmedArticle>\n", "<PubmedArticle/>")
    assert [record.line for record in raw.split(BytesIO(body))] == [4, 7]


@given(st.data())
def test_a_document_cut_anywhere_is_refused(data: st.DataObject) -> None:
    body = document(*ODD_RECORDS.values()).rstrip()
    cut = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(FormatError, match=r"^\d+: (cut off|not XML|not well-formed)"):
        contents(body[:cut])


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "1: not XML, expected <PubmedArticleSet> or <feed>"),
        (b'{"error": "<PubmedArticleSet>"}', "1: not XML, expected"),
        (b"<!DOCTYPE html>\n<html><body/></html>", "2: root element <html>, expected"),
        (b"<PubmedArticleSet>\n<a></b></PubmedArticleSet>", "2: not well-formed XML: mismatched"),
        (b"<PubmedArticleSet/>\n<html/>", "2: not well-formed XML: junk after document"),
        (b"<PubmedArticleSet/><PubmedArticle/>", "1: not well-formed XML: junk after document"),
        (b"<PubmedArticleSet>\n\n", "3: cut off before the end"),
        (b"<PubmedArticleSet>\n<!-- ", "2: not well-formed XML: unclosed token"),
        (b"<PubmedArticleSet>\n<PubmedArticle>\n", "2: cut off inside <PubmedArticle>, which beg"),
        (b"<PubmedArticleSet>\n<PubmedArticle a='", "2: cut off inside <PubmedArticle>"),
        (b'<?xml version="1.0" encoding="klingon"?><feed/>', "1: unknown encoding 'klingon'"),
        (b'<?xml version="1.0" encoding="zip"?><feed/>', "1: unknown encoding 'zip'"),
        ("<feed/>".encode("utf-16")[:-1], "1: not utf-16: truncated data"),
    ],
)  # fmt: skip
def test_what_is_no_whole_document_is_refused_with_its_line(body: bytes, error: str) -> None:
    with pytest.raises(FormatError) as caught:
        contents(body)
    assert str(caught.value).startswith(error)


def test_a_forbidden_character_between_records_hides_none() -> None:
    assert len(contents(document("<PubmedArticle/>\x01&#2;", "<PubmedArticle/>"))) == 2


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "iso-8859-1", "windows-1252", "utf-16", "utf-16-be"]
)
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_records_are_utf8_whatever_the_declared_encoding(encoding: str, size: int) -> None:
    record = "<PubmedArticle>Müller</PubmedArticle>"
    declared = encoding.removesuffix("-sig")
    head = f'<?xml version="1.0" encoding="{declared}"?>\n'
    body = document(record, head=head).decode().encode(encoding)
    (found,) = raw.split(in_blocks(body, size))
    assert found.content == record.encode()


def test_a_byte_that_the_declared_encoding_lacks_stays_in_its_record() -> None:
    head = '<?xml version="1.0" encoding="windows-1252"?>'
    body = document("<PubmedArticle>?</PubmedArticle>", head=head).replace(b"?</", b"\x81</")
    assert contents(body) == [b"<PubmedArticle>\x81</PubmedArticle>"]


def test_a_byte_order_mark_is_not_part_of_the_document() -> None:
    assert len(contents(codecs.BOM_UTF8 + document("<PubmedArticle/>"))) == 1


def test_a_feed_with_a_prefix_is_cut_into_its_entries() -> None:
    body = b'<a:feed xmlns:a="http://www.w3.org/2005/Atom">\n<entry/><a:entry>x</a:entry></a:feed>'
    (record,) = raw.split(BytesIO(body))
    assert (record.tag, record.content) == ("entry", b"<a:entry>x</a:entry>")
    assert record.root == b'<a:feed xmlns:a="http://www.w3.org/2005/Atom">'


def test_a_tag_inside_the_document_type_is_no_record() -> None:
    head = '<!DOCTYPE PubmedArticleSet [\n<!ENTITY x "<PubmedArticle/>">\n]>\n'
    assert contents(document("<PubmedArticle>1</PubmedArticle>", head=head)) == [
        b"<PubmedArticle>1</PubmedArticle>"
    ]


def test_entities_that_multiply_are_not_expanded() -> None:
    levels = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    head = f'<!DOCTYPE PubmedArticleSet [<!ENTITY a0 "{"x" * 50}">{levels}]>'
    body = document("&a9;<PubmedArticle>&a9;</PubmedArticle>", head=head)
    with pytest.raises(FormatError, match="not well-formed XML: limit on input amplification"):
        contents(body)


def test_a_record_is_found_by_its_hash_in_any_batch() -> None:
    records = [corpus.record(i).encode() for i in range(3)]
    for batch in (records, records[1:], records[::-1]):
        body = corpus.article_set([record.decode() for record in batch])
        assert raw.find_record(BytesIO(body), sha256_bytes(records[1])) == records[1]
    assert raw.find_record(BytesIO(body), "0" * 64) is None


def test_memory_does_not_grow_with_the_number_of_records() -> None:
    record = corpus.record(0).encode()

    def peak(n: int) -> int:
        parts = iter([b"<PubmedArticleSet>", *[record] * n, b"</PubmedArticleSet>"])

        class Endless(RawIOBase):
            def read(self, size: int = -1) -> Any:
                return next(parts, b"")

        tracemalloc.start()
        assert sum(1 for _ in raw.split(cast(BinaryIO, Endless()))) == n
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(10)
    assert peak(20_000) < 1.5 * peak(2_000) + 1_000_000


def test_a_record_of_fifty_megabytes_is_read() -> None:
    long = f"<PubmedArticle>{'x' * 50_000_000}</PubmedArticle>"
    (record,) = raw.split(BytesIO(document(long)))
    assert len(record.content) == len(long)

import re
from itertools import pairwise

import pytest
from lxml import etree
from lxml import html as lxml_html

from titer.evaluation.arms import FINE_TUNES
from titer.report import html, verdicts, words


@pytest.fixture
def page(stats, context):
    return lxml_html.document_fromstring(html.render(stats, context))


def visible(element):
    return " ".join(element.text_content().split())


def test_two_renders_are_equal(stats, context):
    assert html.render(stats, context) == html.render(stats, context)


def test_every_element_is_closed(stats, context):
    body = html.render(stats, context).split("<body>")[1].split("</body>")[0]
    assert len(etree.fromstring(f"<body>{body}</body>"))  # raises where one is open


def test_ids_are_unique_and_references_find_theirs(page):
    ids = page.xpath("//@id")
    assert len(ids) == len(set(ids))
    source = etree.tostring(page, encoding="unicode")
    wanted = re.findall(r'(?:href="#|url\(#)([^")]+)', source)
    assert set(wanted) <= set(ids)


def test_nothing_is_executed_or_loaded(page):
    assert not page.xpath("//script | //link | //iframe | //object | //embed | //img | //base")
    assert not page.xpath("//@*[starts-with(name(), 'on')]")
    addresses = page.xpath("//*[not(self::a)]/@*[name()='src' or contains(name(), 'href')]")
    assert all(address.startswith("#") for address in addresses)
    styles = " ".join([*page.xpath("//style/text()"), *page.xpath("//@style")])
    assert "@import" not in styles
    assert not re.search(r"url\((?!#)", styles)


def test_hostile_text_stays_text(stats, context, page):
    stats["arms"]["qlora"]["precision"] = "<b>bold</b>"
    assert "<script>" not in html.render(stats, context)
    assert "<b>" not in html.render(stats, context)
    assert "<script>alert(1)</script> anti-dsDNA" in visible(page)


def test_headings_never_skip_a_level(page):
    levels = [int(element.tag[1]) for element in page.xpath("//h1 | //h2 | //h3 | //h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    jumps = [after - before for before, after in pairwise(levels) if after > before]
    assert set(jumps) <= {1, 2}


def test_sections_stand_in_the_reference_order(page):
    assert page.xpath("//main/section/@id") == [
        "verdict", "compared", "primary", "controls", "dose", "items", "answers", "retention",
        "safety", "studies", "power", "contamination", "data", "cost", "limitations", "reproduce",
    ]  # fmt: skip


def test_numbers_of_the_verdict_box_read_as_words_prints_them(stats, page):
    for arm, box in zip(FINE_TUNES, page.xpath("//section[@class='verdict']"), strict=True):
        primary = stats["comparisons"][arm]["primary"]
        general = stats["comparisons"][arm]["general"]
        expected = {words.count(primary["n"]), words.percent(primary["base"])}
        expected |= {words.percent(primary["arm"]), words.size("closed_acc", primary["mde80"])}
        expected |= {words.p_equals(primary["p_holm"]), words.change_percent(1.0316)}
        for block in (primary, general):
            expected |= {f"{words.points(block[key])} points" for key in ("delta", "low", "high")}
        assert {shown for shown in expected if shown not in visible(box)} == set()


def test_a_sentence_that_is_missing_is_made_of_the_numbers(stats):
    stats["comparisons"]["qlora"]["sentence"] = None
    assert verdicts.of(stats)[0]["lines"][0] == words.numbers_line(stats, "qlora")


def test_a_null_result_is_printed_like_a_gain(page):
    gain, null = page.xpath("//section[@class='verdict']")
    assert [child.tag for child in gain] == [child.tag for child in null]
    assert visible(null).startswith("Full fine-tune: inconclusive")
    assert not page.xpath("//table//b | //table//strong")


def test_an_invalid_verdict_names_the_failed_check_and_no_gain(invalid_stats, context):
    page = lxml_html.document_fromstring(html.render(invalid_stats, context))
    box = visible(page.xpath("//section[@class='verdict']")[0])
    assert box.startswith(
        "QLoRA: INVALID, no conclusion No conclusion: the comparison is invalid "
        "(Q001 stands in a training text)."
    )
    assert "+11.9" not in box
    assert "Plan changed after training" in visible(page.xpath("//header")[0])


def test_an_arm_that_did_not_run_says_why(not_run_stats, context):
    page = lxml_html.document_fromstring(html.render(not_run_stats, context))
    assert "Full fine-tune: not run Reason: needs 130 GiB, the machine has 16." in visible(page)


@pytest.mark.parametrize("empty", [{}, {"arms": {}, "comparisons": {}, "plan": None}])
def test_empty_scores_still_give_a_page(empty):
    page = lxml_html.document_fromstring(html.render(empty, {}))
    assert "No fine-tune was compared with its base." in visible(page)


def test_marks_show_the_words_that_were_found(page):
    assert set(page.xpath("//mark[@class='point']/text()")) == {"Anti-dsDNA", "Marked"}
    assert set(page.xpath("//mark[@class='must-not']/text()")) == {"live vaccine", "Underlined"}


def test_the_prohibited_statement_wins_where_spans_overlap():
    spans = [(0, 8, "point"), (4, 12, "must-not")]
    assert html.segments("one two three", spans) == [
        ("one ", "point"),
        ("two ", "must-not"),
        ("thre", "must-not"),
        ("e", ""),
    ]


def test_segments_joined_are_the_text_whatever_the_spans():
    for span in [(-5, 3, "point"), (2, 999, "point"), (9, 4, "must-not")]:
        assert "".join(piece for piece, _ in html.segments("anti-dsDNA", [span])) == "anti-dsDNA"


def test_ten_items_are_listed_each_way(stats):
    improved, worse = html.changes(stats, "qlora")["tables"]
    assert (len(improved.rows), len(worse.rows)) == (10, 10)

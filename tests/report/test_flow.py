"""The chart from found to used: every number is drawn and said, and nothing leaves the page."""

import re
from typing import Any

import pytest
from lxml import etree

from titer.report import flow


def texts(svg: str) -> list[str]:
    return [element.text for element in etree.fromstring(svg).iter("{*}text")]


def chain(*steps: tuple[int, dict[str, int]]) -> dict[str, Any]:
    rows = [{"what": f"step {place}", "n": n, "left_out": left_out}
            for place, (n, left_out) in enumerate(steps)]  # fmt: skip
    return {"flow": {"papers": rows}}


def test_every_number_of_both_chains_is_drawn(context: dict[str, Any]) -> None:
    papers = context["papers"]
    shown = texts(flow.chart(papers).svg)
    for steps in papers["flow"].values():
        assert {f"{step['n']:,}" for step in steps} <= {*shown}
    assert {"24 left out", "retracted 21", "too short 3", "88 left out"} <= {*shown}
    assert shown[-4:] == ["731", "train", "81", "validation"]


def test_the_alternative_text_holds_every_number(context: dict[str, Any]) -> None:
    alt = flow.chart(context["papers"]).alt
    assert alt.startswith(
        "Papers: 251 listed by queries, files (left out: repeated 11), then 240 found, each once "
        "(left out: retracted 21, too short 3), then 216 used"
    )
    assert alt.endswith("Rows: 731 train, 81 validation.")


def test_a_single_reason_repeats_no_number() -> None:
    shown = texts(flow.chart(chain((9, {"held_out": 2}), (7, {}))).svg)
    assert shown[3:5] == ["2 left out", "held out"]


def test_many_reasons_are_summed_up_and_none_is_lost() -> None:
    reasons = {f"reason {letter}": 20 - place for place, letter in enumerate("abcdefghij")}
    papers = chain((500, reasons), (345, {}))
    notes = texts(flow.chart(papers).svg)[3:-2]
    assert notes[0] == "155 left out"
    numbers = [int(line.rpartition(" ")[2]) for line in notes[1:]]
    assert (len(numbers), sum(numbers), notes[-1]) == (7, 155, "4 further reasons 50")
    assert all(name in flow.alternative(papers) for name in reasons)


@pytest.mark.parametrize("n", [1, 8])
def test_nothing_is_drawn_outside_the_view(n: int) -> None:
    long = {f"{'a very long reason of a record ' * 2}{place}": 10**6 for place in range(n)}
    root = etree.fromstring(flow.chart(chain((9 * 10**6, long), (1, {}))).svg)
    _, _, width, height = map(float, root.get("viewBox").split())
    for element in root.iter("{*}text"):
        size = float(re.search(r"font-size: ([\d.]+)", element.get("style"))[1])
        assert float(element.get("x")) + 0.54 * size * len(element.text) <= width
        assert 0 < float(element.get("y")) < height


def test_a_hostile_reason_stays_text() -> None:
    picture = flow.chart(chain((2, {"<script>&": 1}), (1, {})))
    assert "<script>&" in texts(picture.svg)
    assert "<script>" not in picture.svg


def test_without_a_flow_there_is_no_chart() -> None:
    assert flow.chart({"papers": 3}) is None

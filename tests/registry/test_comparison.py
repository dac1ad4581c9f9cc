"""Two versions are compared on the outputs that were stored with them."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.registry.made_up_versions import QLORA
from titer.errors import ConfigError
from titer.registry import comparison, tags
from titer.registry.names import Number


def test_a_clone_compares_two_versions_from_what_git_and_the_remote_hold(clone: Path) -> None:
    known = tags.read(clone, QLORA)
    one, two = (known.get(Number(1, minor, 0)) for minor in (0, 1))
    found = comparison.compare(clone, one, two)
    assert found["decision"] == "the second is worse"
    primary = found["blocks"]["primary"]
    assert primary["high"] < 0 and primary["p"] < 0.001
    # the same items and choices on both sides here: each side scores what it was judged by
    assert primary["n"] == one.record.metrics["n"]
    assert primary["base"] == pytest.approx(one.record.metrics["score"], abs=1e-6)
    assert primary["arm"] == pytest.approx(two.record.metrics["score"], abs=1e-6)
    assert found["blocks"]["general"]["delta"] < -0.3
    assert found["blocks"]["keypoint_recall"]["delta"] == 1
    assert found["notes"] == []


def test_different_domains_have_no_question_in_common(built: Path) -> None:
    one = tags.read(built, QLORA).get(Number(1, 0, 0))
    other = replace(one, name=replace(QLORA, domain="legal"))
    with pytest.raises(ConfigError, match=r"^autoimmune-qlora@v1\.0\.0 and legal-qlora@v1\.0\.0:"):
        comparison.compare(built, one, other)

"""Which version serves: a verdict opens the gate, force is recorded, rollback is exact."""

import logging
from pathlib import Path

import pytest

from tests.registry.made_up_versions import QLORA, content, model, run
from titer.errors import AdapterError, DataError, NotFound
from titer.registry import activation, pulling, tags
from titer.registry.names import Number
from titer.registry.tags import Activation, History

ONE, TWO, THREE = Number(1, 0, 0), Number(1, 1, 0), Number(1, 2, 0)


def test_a_version_that_helped_is_activated(registry: Path) -> None:
    assert tags.read(registry, QLORA).active is None
    activation.activate(registry, QLORA, ONE)
    history = tags.read(registry, QLORA)
    assert history.active == history.versions[ONE]
    with pytest.raises(AdapterError, match=r"^autoimmune-qlora@v1\.0\.0 is active already$"):
        activation.activate(registry, QLORA, ONE)


def test_a_bad_verdict_needs_force_and_a_reason_and_both_are_recorded(
    registry: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(AdapterError, match=r"v1\.1\.0: its verdict is hurt; only helped and equi"):
        activation.activate(registry, QLORA, TWO)
    with pytest.raises(DataError, match=r"^--reason is empty"):
        activation.activate(registry, QLORA, TWO, force=True, reason=" ")
    assert tags.read(registry, QLORA).activations == []
    with caplog.at_level(logging.WARNING):
        activation.activate(registry, QLORA, TWO, force=True, reason="a demonstration")
    assert "v1.1.0 is activated by force: verdict hurt" in caplog.text
    (event,) = tags.read(registry, QLORA).activations
    assert (event.forced, event.verdict, event.reason) == (True, "hurt", "a demonstration")
    assert event.by == "Ada"
    # in Git's own words too: what is pushed is what is audited
    shown = run(registry, "git", "cat-file", "tag", "autoimmune-qlora#active#1")
    assert '"forced": true' in shown and "tagger Ada <ada@example.org>" in shown


def test_rollback_brings_the_bytes_back(registry: Path) -> None:
    def served() -> dict[str, bytes]:
        version = tags.read(registry, QLORA).active
        assert version is not None
        return content(pulling.pull(registry, version)[0] / "model")

    activation.activate(registry, QLORA, ONE)
    assert served() == model("one")
    activation.activate(registry, QLORA, TWO, force=True, reason="try it")
    assert served() == model("two")
    left, now = activation.rollback(registry, QLORA, reason="worse")
    assert (left.number, now.number) == (TWO, ONE)
    assert served() == model("one")
    with pytest.raises(AdapterError, match=r"^autoimmune-qlora: no other version served before"):
        activation.rollback(registry, QLORA)


def did(action: str, number: Number) -> Activation:
    return Activation(action, number, "2026-11-25T00:00:00Z", "Ada", False, "helped", "")


@pytest.mark.parametrize(
    ("events", "served"),
    [
        ([], []),
        ([("activate", ONE), ("activate", TWO)], [ONE, TWO]),
        ([("activate", ONE), ("activate", TWO), ("rollback", ONE)], [ONE]),
        ([("activate", ONE), ("activate", TWO), ("activate", THREE), ("rollback", TWO)],
         [ONE, TWO]),
        ([("activate", ONE), ("activate", TWO), ("activate", ONE)], [ONE, TWO, ONE]),
        ([("activate", ONE), ("activate", TWO), ("rollback", ONE), ("activate", THREE)],
         [ONE, THREE]),
        ([("activate", ONE), ("activate", TWO), ("withdraw", TWO)], [ONE, TWO]),
        ([("activate", ONE), ("activate", TWO), ("withdraw", TWO), ("rollback", ONE)], [ONE]),
        ([("activate", ONE), ("withdraw", ONE), ("activate", TWO)], [ONE, TWO]),
    ],
    ids=["none", "two", "back", "back by one", "again", "forward again", "withdrawn",
         "back after it", "another after it"],
)  # fmt: skip
def test_what_would_serve_again_follows_from_the_history(
    events: list[tuple[str, Number]], served: list[Number]
) -> None:
    assert History(QLORA, activations=[did(*event) for event in events]).served == served


def test_a_retired_version_serves_no_more_and_its_number_stays_taken(registry: Path) -> None:
    activation.activate(registry, QLORA, ONE)
    with pytest.raises(DataError, match="--reason is empty"):
        activation.retire(registry, QLORA, TWO, reason="")
    version = activation.retire(registry, QLORA, TWO, reason="three papers were retracted")
    assert version.retired == "three papers were retracted"
    for again in (
        lambda: activation.activate(registry, QLORA, TWO, force=True, reason="x"),
        lambda: activation.retire(registry, QLORA, TWO, reason="x"),
    ):
        with pytest.raises(AdapterError, match=r"v1\.1\.0 is retired \(three papers were retrac"):
            again()
    assert list(tags.read(registry, QLORA).versions) == [ONE, TWO]


def test_the_active_version_is_retired_by_force_alone_and_then_none_serves(registry: Path) -> None:
    activation.activate(registry, QLORA, ONE)
    with pytest.raises(AdapterError, match=r"v1\.0\.0 is active\. First: titer model activate"):
        activation.retire(registry, QLORA, ONE, reason="unsafe")
    activation.retire(registry, QLORA, ONE, reason="unsafe", force=True)
    assert tags.read(registry, QLORA).active is None
    with pytest.raises(AdapterError, match="no other version served before"):
        activation.rollback(registry, QLORA)


def test_what_another_clone_retired_serves_no_more_and_one_can_go_on(
    registry: Path, clone: Path
) -> None:
    for number in (TWO, ONE):
        activation.activate(registry, QLORA, number, force=True, reason="try it")
    activation.retire(clone, QLORA, ONE, reason="unsafe")
    run(registry, "git", "fetch", "--quiet", "--tags", str(clone))
    assert tags.read(registry, QLORA).active is None
    left, now = activation.rollback(registry, QLORA)
    assert (left.number, now.number) == (ONE, TWO)
    assert tags.read(registry, QLORA).active == now


@pytest.mark.parametrize("since", [ONE, TWO], ids=["the first", "the second"])
def test_after_a_withdrawn_version_rollback_goes_to_the_one_before(
    registry: Path, since: Number
) -> None:
    before = {ONE: TWO, TWO: ONE}[since]
    for number in (before, since):
        activation.activate(registry, QLORA, number, force=True, reason="try it")
    activation.retire(registry, QLORA, since, reason="unsafe", force=True)
    assert tags.read(registry, QLORA).active is None
    left, now = activation.rollback(registry, QLORA)
    assert (left.number, now.number) == (since, before)
    history = tags.read(registry, QLORA)
    assert (history.active, history.served) == (history.versions[before], [before])
    with pytest.raises(AdapterError, match="no other version served before"):
        activation.rollback(registry, QLORA)


def test_rollback_passes_over_what_was_retired(registry: Path) -> None:
    activation.activate(registry, QLORA, TWO, force=True, reason="first")
    activation.activate(registry, QLORA, ONE)
    activation.retire(registry, QLORA, TWO, reason="unsafe")
    with pytest.raises(AdapterError, match="no other version served before"):
        activation.rollback(registry, QLORA)


@pytest.mark.parametrize(
    ("tag", "message", "said"),
    [
        ("autoimmune-qlora#active", "{}",
         r"^autoimmune-qlora#active: not a tag of `titer model activate`\. Delete it: git tag -d"),
        ("autoimmune-qlora#active#1",
         '{"action": "wish", "forced": false, "verdict": "helped", "reason": ""}',
         r"^autoimmune-qlora#active#1: not a tag of `titer model activate`\. Delete it: git tag -"),
        ("autoimmune-qlora@v2.0.0-rc1", "soon",
         r"^autoimmune-qlora@v2\.0\.0-rc1: 'v2\.0\.0-rc1' is no version; expected the form v1\.0\.0"
         r"\. Delete the tag: git tag -d 'autoimmune-qlora@v2\.0\.0-rc1'$"),
    ],
    ids=["no counter", "no action", "no number"],
)  # fmt: skip
def test_a_tag_that_another_program_wrote_is_named_with_the_cure(
    registry: Path, tag: str, message: str, said: str
) -> None:
    run(registry, "git", "tag", "--annotate", tag, "--message", message, "HEAD~1")
    with pytest.raises(DataError, match=said):
        tags.read(registry, QLORA)
    assert tags.names(registry) == [QLORA]
    run(registry, "git", "tag", "--delete", tag)
    assert list(tags.read(registry, QLORA).versions) == [ONE, TWO]


def test_an_unknown_version_is_named_with_those_that_are(built: Path) -> None:
    said = r"^autoimmune-qlora@v9\.0\.0 is not registered; there are v1\.0\.0, v1\.1\.0"
    with pytest.raises(NotFound, match=said):
        activation.activate(built, QLORA, Number(9, 0, 0))

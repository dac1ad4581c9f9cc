"""`titer domain`: the list, and a skeleton that the other commands take once it is filled."""

from typing import Any

import pytest
import yaml

from tests.cli.filled import N_SUBJECTS, fill
from titer.evaluation.sample_prose import load_prose


def test_the_list_marks_the_chosen_domain_and_counts_the_rest(project: Any) -> None:
    done = project.titer("domain")
    assert (done.code, done.err) == (0, "")
    lines = [line.split()[:2] for line in done.out.splitlines()]
    assert ["*", "autoimmune"] in lines
    assert any(line.startswith("  chemistry") and " facts, 10 open, " in line
               for line in done.out.splitlines())  # fmt: skip


def test_a_new_domain_is_listed_and_a_filled_one_passes_every_check(project: Any) -> None:
    made = project.titer("domain", "new", "lamps")
    assert (made.code, made.err) == (0, "")
    assert "lamps          Lamps (no lock yet)" in project.titer("domain").out
    fill(project.root, "lamps")
    for words in (["samples"], ["lock"]):
        done = project.titer("benchmark", *words, "--domain", "lamps")
        assert (done.code, done.err) == (0, "")
    assert f"{N_SUBJECTS} facts" in done.out
    project.set("params.yaml", domain="lamps")
    checked = project.titer("check")
    assert (checked.code, checked.err) == (0, "")
    assert checked.out.startswith("configuration ok: domain=lamps, ")


def test_an_unfilled_skeleton_is_refused_with_what_to_do(project: Any) -> None:
    project.titer("domain", "new", "lamps")
    done = project.titer("benchmark", "samples", "--domain", "lamps")
    assert (done.code, done.err) == (
        1, "error: facts.csv: none of 0 facts can be stated. Add facts\n"
    )  # fmt: skip


def test_the_skeleton_holds_every_file_that_the_others_have(project: Any) -> None:
    project.titer("domain", "new", "lamps", "--like", "biology")
    new, old = (
        {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        for folder in (project.root / "data/benchmark" / name for name in ("lamps", "biology"))
    )
    assert old - new == {"benchmark.lock.json"}
    conf = yaml.safe_load((project.root / "conf/domain/lamps.yaml").read_text())
    like = yaml.safe_load((project.root / "conf/domain/biology.yaml").read_text())
    assert set(conf) == set(like) and conf["wording"] == like["wording"]
    load_prose(project.root / "data/benchmark/lamps/prose.yaml")


@pytest.mark.parametrize(
    "place", ["data/own/lamps", "data/samples/lamps/x", "conf/domain/lamps.yaml"]
)
def test_nothing_is_overwritten(project: Any, place: str) -> None:
    kept = project.write(place if "." in place else f"{place}/kept", "kept")
    done = project.titer("domain", "new", "lamps")
    there = place.removesuffix("/x")
    assert (done.code, done.out) == (2, "")
    assert done.err == f"error: {there}: is there already. Choose another name, or delete it\n"
    assert kept.read_text() == "kept"
    assert not (project.root / "data/benchmark/lamps").exists()


@pytest.mark.parametrize("name", ["null", "on"])
def test_a_name_that_yaml_reads_as_no_text_keeps_its_title(project: Any, name: str) -> None:
    assert project.titer("domain", "new", name).code == 0
    conf = yaml.safe_load((project.root / f"conf/domain/{name}.yaml").read_text())
    assert conf["title"] == name.capitalize()


@pytest.mark.parametrize("name", ["Lamps", "9lamps", "la/mps", "../lamps", "general", "la mps", ""])
def test_a_name_that_is_no_file_name_is_refused(project: Any, name: str) -> None:
    done = project.titer("domain", "new", name)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: domain {name!r}: must begin with a small letter")


@pytest.mark.parametrize(
    "words", [["benchmark", "lock", "--domain"], ["benchmark", "samples", "--domain"],
              ["domain", "new", "lamps", "--like"]],
)  # fmt: skip
def test_an_unknown_domain_names_the_known_ones(project: Any, words: list[str]) -> None:
    done = project.titer(*words, "chemisty")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "error: domain 'chemisty' has no file conf/domain/chemisty.yaml (did you mean chemistry?); "
        "known: autoimmune, biology, chemistry. "
        "Another one begins with: titer domain new chemisty\n"
    )

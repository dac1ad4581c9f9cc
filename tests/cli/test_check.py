"""Bad input is one line on stderr and an exit code, before DVC has deleted anything."""

import json
import re
from typing import Any

import pytest

OWN_PAPERS = "data/own/autoimmune/papers"
OWN_QUESTIONS = "data/own/autoimmune/questions"
QUESTION = {"id": "M1", "category": "lupus", "difficulty": "easy", "question": "What is it?"}


def refused(project: Any, code: int) -> str:
    """What `titer check` says, after it was seen to be one line and to have this exit code."""
    done = project.titer("check")
    assert (done.code, done.out) == (code, ""), done.err
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    return str(done.err)[len("error: ") : -1]


def test_an_unknown_choice_is_refused(project: Any) -> None:
    project.set("params.yaml", model="pockett")
    assert refused(project, 2).startswith(
        "params.yaml: model: 'pockett' has no file conf/model/pockett.yaml; choose one of "
    )


def test_an_unreadable_conf_file_is_refused(project: Any) -> None:
    project.write("conf/papers/files.yaml", "source: [files\n")
    assert refused(project, 2).startswith("conf/papers/files.yaml: not readable as YAML: ")


@pytest.mark.parametrize(
    ("path", "files", "message"),
    [
        ("data/own/model/none", [], "no such model folder. Give one with config.json and weights"),
        ("data/own/model", [], "no config.json; this is not a transformers model folder"),
        ("data/own/model", ["config.json"], "no *.safetensors weights"),
        ("data/own/model", ["config.json", "pytorch_model.bin"],
         "weights only as a pickle (pytorch_model.bin), which may run code when loaded. Convert "
         "them to safetensors where you trust the file, then give that folder"),
    ],
    ids=["missing", "empty", "no weights", "pickled only"],
)  # fmt: skip
def test_an_unusable_model_folder_is_refused(
    project: Any, path: str, files: list[str], message: str
) -> None:
    project.set("params.yaml", model="local")
    project.set("conf/model/local.yaml", path=path)
    for name in files:
        project.write(f"data/own/model/{name}", "{}")
    assert refused(project, 4) == f"{project.root / path}: {message}"


def test_a_model_folder_that_dvc_does_not_watch_is_refused(project: Any) -> None:
    project.set("params.yaml", model="local")
    project.set("conf/model/local.yaml", path="models/base")
    assert refused(project, 2).startswith("model.path = 'models/base': must be data/own/model or")


@pytest.mark.parametrize("given", [OWN_PAPERS, f"{OWN_PAPERS}/none", f"{OWN_PAPERS}/none.xml"])
def test_a_missing_or_empty_papers_folder_is_refused(project: Any, given: str) -> None:
    project.set("params.yaml", papers="files")
    project.set("conf/papers/files.yaml", path=given)
    project.write(f"{OWN_PAPERS}/notes.txt", "no paper")
    assert refused(project, 1) == (
        f"papers.path = '{given}': no papers there. Put PubMed XML (.xml, .xml.gz) or arXiv Atom "
        f"(.atom) into {given}"
    )


def test_an_empty_papers_folder_behind_a_link_is_refused(project: Any) -> None:
    project.set("params.yaml", papers="files")
    papers = project.root / OWN_PAPERS
    (project.root.parent / "disk").mkdir()
    papers.rmdir()
    papers.symlink_to(project.root.parent / "disk")
    assert refused(project, 1).endswith(f"into {project.root.parent / 'disk'}")


def test_missing_sample_papers_are_refused(project: Any) -> None:
    for path in (project.root / "data/samples/autoimmune").iterdir():
        path.unlink()
    assert refused(project, 1) == (
        "domain = 'autoimmune': no papers there. Put PubMed XML (.xml, .xml.gz) or arXiv Atom "
        "(.atom) into data/samples/autoimmune"
    )


def test_papers_that_dvc_does_not_watch_are_refused(project: Any) -> None:
    project.set("params.yaml", papers="files")
    project.set("conf/papers/files.yaml", path="data/samples/autoimmune")
    assert refused(project, 2) == (
        f"papers.path = 'data/samples/autoimmune': must lie below {OWN_PAPERS}, which DVC watches"
    )


@pytest.mark.parametrize("name", ["a.xml", "deep/b.XML.GZ", "c.atom", "d.atom.gz"])
def test_every_name_that_the_reader_takes_is_accepted(project: Any, name: str) -> None:
    project.set("params.yaml", papers="files")
    project.write(f"{OWN_PAPERS}/{name}", "<PubmedArticleSet/>")
    assert project.titer("check").code == 0


def test_live_papers_need_an_address(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    project.set("params.yaml", papers="live")
    monkeypatch.delenv("NCBI_EMAIL", raising=False)
    assert "NCBI_EMAIL" in refused(project, 2)
    assert project.titer("check", NCBI_EMAIL="someone@example.org").code == 0
    (project.root / ".env").write_text("NCBI_EMAIL=someone@example.org\n")
    assert project.titer("check").code == 0


def switch_on(project: Any, name: str, **more: str) -> None:
    """Own papers, and one of the optional sources."""
    project.set("params.yaml", papers="files")
    project.set("conf/papers/files.yaml", snapshot="'2026-01-01'")
    project.write(f"{OWN_PAPERS}/a.xml", "<PubmedArticleSet/>")
    path = project.root / "conf/papers/files.yaml"
    head, section, tail = path.read_text().partition(f"\n{name}:")
    tail = tail.replace("enabled: false", "enabled: true", 1)
    for key, value in more.items():
        tail = re.sub(rf"(?m)^  {key}: \S+", f"  {key}: {value}", tail, count=1)
    path.write_text(head + section + tail)


def test_pubmed_central_needs_an_address(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    switch_on(project, "pmc")
    monkeypatch.delenv("NCBI_EMAIL", raising=False)
    assert "NCBI_EMAIL" in refused(project, 2)
    assert project.titer("check", NCBI_EMAIL="someone@example.org").code == 0


def test_a_missing_table_of_retractions_is_refused(project: Any) -> None:
    switch_on(project, "retraction_watch")
    table = "data/own/retractions/retraction_watch.csv"
    assert refused(project, 1).startswith(f"{table}: no such file (papers.retraction_watch.source)")
    project.write(table, "OriginalPaperDOI")
    assert project.titer("check").code == 0


def test_a_table_of_retractions_that_dvc_does_not_watch_is_refused(project: Any) -> None:
    switch_on(project, "retraction_watch", source="somewhere/table.csv")
    assert refused(project, 2) == (
        "papers.retraction_watch.source = 'somewhere/table.csv': must be an https address or a "
        "file below data/own/retractions, which DVC watches"
    )


@pytest.mark.parametrize(
    ("given", "text", "code", "message"),
    [
        ("data/benchmark/autoimmune/safety.jsonl", None, 2, "must lie below data/own/autoimmune"),
        (f"{OWN_QUESTIONS}/none.jsonl", None, 2, "no such file"),
        (f"{OWN_QUESTIONS}/q.jsonl", '{"id": "M1"}', 1, 'q.jsonl:1: no "category"'),
        (f"{OWN_QUESTIONS}/q.txt", json.dumps(QUESTION), 2, "must be .json or .jsonl"),
    ],
    ids=["not watched", "missing", "a key short", "another suffix"],
)
def test_unusable_questions_of_ones_own_are_refused(
    project: Any, given: str, text: str | None, code: int, message: str
) -> None:
    if text:
        project.write(given, text)
    params = project.root / "params.yaml"
    params.write_text(params.read_text().replace("questions: null", f"questions: {given}", 1))
    assert message in refused(project, code)


def test_a_malformed_review_is_found_before_any_stage_runs(project: Any) -> None:
    header = "answer_sha256,item_id,key_point,verdict,reviewer,note"
    project.write("data/own/autoimmune/reviews.csv", f"{header}\n0123456789ab,Q001,k1,yes,A,\n")
    assert "reviews.csv:2: verdict is 'yes', allowed: met, missing" in refused(project, 1)
    project.write("data/own/autoimmune/reviews.csv", f"{header}\n0123456789ab,Q001,k1,met,A,\n")
    assert project.titer("check").code == 0


def test_questions_of_ones_own_with_four_keys_are_accepted(project: Any) -> None:
    project.write(f"{OWN_QUESTIONS}/deep/mine.jsonl", json.dumps(QUESTION))
    params = project.root / "params.yaml"
    given = f"questions: {OWN_QUESTIONS}/deep/mine.jsonl"
    params.write_text(params.read_text().replace("questions: null", given, 1))
    assert project.titer("check").code == 0


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        (
            "models/base",
            2,
            "examples.encoder = 'models/base': must lie below data/own",
        ),
        ("data/own/encoder/none", 4, "encoder/none: no such model folder. Give one with config"),
        ("data/own/encoder/bare", 4, "encoder/bare: no tokenizer.json. Save the encoder with a"),
    ],
    ids=["not watched", "missing", "no tokenizer"],
)
def test_an_unusable_encoder_is_refused(project: Any, given: str, code: int, message: str) -> None:
    for name in ("config.json", "model.safetensors"):
        project.write(f"data/own/encoder/bare/{name}", "{}")
    params = project.root / "params.yaml"
    params.write_text(params.read_text().replace("encoder: null", f"encoder: {given}", 1))
    assert message in refused(project, code)

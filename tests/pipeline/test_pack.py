"""The reviewer's pack: every number computed again, and every change of it noticed."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from string import Template
from types import SimpleNamespace
from typing import Any

import pytest

from stages.score import score
from tests import commands
from tests.pipeline.conftest import Clone
from titer import files
from titer.files import sha256_bytes
from titer.repair import objects
from titer.report import outputs
from titer.report import pack as packs

STATS = "results/stats.json"


@pytest.fixture(scope="module")
def pack(tiny: Clone, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pack of the tiny run."""
    path = tmp_path_factory.mktemp("pack") / "pack.zip"
    tiny.run("titer", "report", "pack", "--out", str(path))
    return path


def rewritten(pack: Path, to: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The pack with other content."""
    with zipfile.ZipFile(pack) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    change(content)
    with zipfile.ZipFile(to, "w") as archive:
        for name, body in content.items():
            archive.writestr(name, body)
    return to


def test_every_number_comes_out_the_same(tiny: Clone, pack: Path) -> None:
    done = tiny.run("titer", "report", "verify", str(pack))
    assert "DIFFERENT" not in done.stdout
    for name in (STATS, "results/metrics.json", "reports/report.html", "reports/report.md"):
        assert f"equal      {name}" in done.stdout
    assert (
        "every number but those taken as packed was computed again and is the same" in done.stdout
    )


def test_two_packs_of_one_result_are_equal(tiny: Clone, pack: Path, tmp_path: Path) -> None:
    commands.titer(tiny.path, "report", "pack", "--out", str(tmp_path / "again.zip"))
    assert (tmp_path / "again.zip").read_bytes() == pack.read_bytes()


def test_no_text_of_a_training_row_is_in_it(tiny: Clone, pack: Path) -> None:
    rows = (tiny.path / "data/papers/examples/train.jsonl").read_text().splitlines()
    long = [json.loads(row)["messages"][-1]["content"] for row in rows]
    answers = [text for text in long if len(text) > 200][:20]
    assert answers
    with zipfile.ZipFile(pack) as archive:
        packed = b"".join(archive.read(name) for name in archive.namelist()).decode()
    assert not [text for text in answers if text in packed]


def test_a_number_that_was_bettered_is_found(tiny: Clone, pack: Path, tmp_path: Path) -> None:
    def better(content: dict[str, bytes]) -> None:
        metrics = json.loads(content["results/metrics.json"])
        metrics["qlora"]["closed_acc"] = 0.99
        body = json.dumps(metrics).encode()
        manifest = json.loads(content["manifest.json"])
        manifest["sha256"]["results/metrics.json"] = sha256_bytes(body)
        content |= {"results/metrics.json": body, "manifest.json": json.dumps(manifest).encode()}

    path = rewritten(pack, tmp_path / "better.zip", better)
    done = commands.titer(tiny.path, "report", "verify", str(path))
    assert done.code == 1
    assert "DIFFERENT  results/metrics.json: line 1:" in done.out
    assert done.err.splitlines()[-1] == "error: 1 of the files that score writes differ"


def test_a_file_changed_after_packing_is_named(tiny: Clone, pack: Path, tmp_path: Path) -> None:
    path = rewritten(
        pack, tmp_path / "changed.zip", lambda content: content.update({STATS: b"{}\n"})
    )
    done = commands.titer(tiny.path, "report", "verify", str(path))
    assert done.err.splitlines()[-1].endswith(f"1 files are not as packed, first {STATS}")


def test_an_output_that_the_pack_lacks_is_one_line(tiny: Clone, pack: Path, tmp_path: Path) -> None:
    def drop(content: dict[str, bytes]) -> None:
        manifest = json.loads(content["manifest.json"])
        del manifest["sha256"]["reports/report.html"], content["reports/report.html"]
        content["manifest.json"] = json.dumps(manifest).encode()

    path = rewritten(pack, tmp_path / "short.zip", drop)
    done = commands.titer(tiny.path, "report", "verify", str(path))
    assert done.code == 1
    assert done.err.splitlines()[-1] == (
        f"error: {path}: it names reports/report.html, which is no file in it. Ask for the pack "
        "again, or make it: titer report pack"
    )


@pytest.mark.parametrize("name", ["../outside.txt", "/outside.txt", "a/../../outside.txt"])
def test_a_name_that_leaves_the_folder_is_refused(
    tiny: Clone, pack: Path, tmp_path: Path, name: str
) -> None:
    path = rewritten(pack, tmp_path / "hostile.zip", lambda c: c.update({name: b"x"}))
    done = commands.titer(tiny.path, "report", "verify", str(path))
    assert done.code == 1
    assert done.err.splitlines()[-1].endswith("would leave the folder")


@pytest.mark.parametrize("path", ["../outside", "/outside"])
def test_a_listed_folder_that_leaves_the_tree_is_refused(
    tiny: Clone, pack: Path, tmp_path: Path, path: str
) -> None:
    def mislead(content: dict[str, bytes]) -> None:
        manifest = json.loads(content["manifest.json"])
        manifest["reads"]["papers"] = path
        content["manifest.json"] = json.dumps(manifest).encode()

    hostile = rewritten(pack, tmp_path / "hostile.zip", mislead)
    done = commands.titer(tiny.path, "report", "verify", str(hostile))
    assert done.code == 1
    assert done.err.splitlines()[-1].endswith("would leave the folder")


def other_stats(content: dict[str, bytes], manifest: Any) -> None:
    """A verdict that was turned, and the true one under another name for the check to find."""
    content["results/other.json"] = content[STATS]
    content[STATS] = content[STATS].replace(b'"cannot_tell"', b'"helped"')
    manifest["writes"]["stats"] = "results/other.json"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_stats, "says writes.stats is 'results/other.json', the stage score declares "
         "'results/stats.json'. Ask for the pack again"),
        (lambda _, manifest: manifest["writes"].pop("html"),
         "says writes.html is None, the stage score declares 'reports/report.html'"),
        (lambda _, manifest: manifest["reads"].update(base_run="results/qlora/run.json"),
         "says reads.base_run is 'results/qlora/run.json', the stage score declares"),
        (lambda _, manifest: manifest.update(reads=[1]), "not a pack of `titer report pack`"),
        (lambda content, _: content.update({"params.yaml/x": b"x"}),
         "x.zip: 'params.yaml' is a file, and 'params.yaml/x' lies in it"),
        (lambda content, _: content.update({"./params.yaml": b"x"}),
         "x.zip: 'params.yaml' and './params.yaml' are one file"),
        (lambda content, _: content.update({"a" * 250: b"x"}),
         "'... has more than 500 bytes, or 200 between two slashes"),
        (lambda content, _: content.update({"params.yaml": b"plan: [1"}),
         "x.zip: params.yaml: not readable as YAML"),
        (lambda content, _: content.update({"params.yaml": content["params.yaml"].replace(
            b"domain: autoimmune", b"domain: /etc/passwd")}),
         "x.zip: params.yaml: domain = '/etc/passwd': no name of a file in conf/domain"),
        (lambda content, _: content.update({STATS: content[STATS].replace(
            b'"status": "off"', b'"status": "ok"')}),
         "x.zip: results/stats.json holds a judge with status 'ok', and params.yaml says "
         "score.judge.enabled: false"),
        (lambda content, _: content.pop("params.yaml"), "x.zip: params.yaml: cannot be read"),
    ],
    ids=["other stats", "fewer writes", "other reads", "a list", "clash", "two spellings",
         "long name", "no YAML", "a file outside", "a judge", "no settings"],
)  # fmt: skip
def test_a_pack_with_true_hashes_of_other_files_is_one_line(
    tiny: Clone, pack: Path, tmp_path: Path, change: Callable[..., object], said: str
) -> None:
    def forge(content: dict[str, bytes]) -> None:
        manifest = json.loads(content.pop("manifest.json"))
        change(content, manifest)
        manifest["sha256"] = {name: sha256_bytes(body) for name, body in content.items()}
        content["manifest.json"] = json.dumps(manifest).encode()

    path = rewritten(pack, tmp_path / "x.zip", forge)
    done = commands.titer(tiny.path, "report", "verify", str(path))
    (line,) = done.err.splitlines()
    assert (done.code, done.out) == (1, "")
    assert line.startswith(f"error: {path}: ") and said in line
    assert "writable" not in line


def test_a_pack_of_other_rows_is_one_line(tiny: Clone, pack: Path, tmp_path: Path) -> None:
    def strip(content: dict[str, bytes]) -> None:
        name, manifest = "results/qlora/closed.jsonl", json.loads(content["manifest.json"])
        rows = [json.loads(line) for line in content[name].splitlines()]
        content[name] = b"".join(
            json.dumps({key: row[key] for key in row if key != "ll"}).encode() + b"\n"
            for row in rows
        )
        manifest["sha256"][name] = sha256_bytes(content[name])
        content["manifest.json"] = json.dumps(manifest).encode()

    other = rewritten(pack, tmp_path / "other.zip", strip)
    done = commands.titer(tiny.path, "report", "verify", str(other))
    assert done.code == 1
    assert "other.zip: not as Titer writes it (no 'll')" in done.err.splitlines()[-1]


def test_settings_changed_since_the_result_are_not_packed(tiny: Clone, tmp_path: Path) -> None:
    """The reviewer would compute other numbers than the report shows, or be told other ones."""
    before = (tiny.path / "params.yaml").read_text()
    try:
        tiny.edit(
            "params.yaml", lambda text: text.replace("margin_points: 5.0", "margin_points: 3.0")
        )
        done = commands.titer(tiny.path, "report", "pack", "--out", str(tmp_path / "x.zip"))
    finally:
        (tiny.path / "params.yaml").write_text(before)
    assert done.code == 1 and not (tmp_path / "x.zip").exists()
    assert done.err.splitlines()[-1] == (
        "error: params.yaml: plan.margin_points is 3.0, score ran with 5.0: the pack would not be "
        "of this result. Run: dvc repro"
    )


def test_a_judges_numbers_are_printed_as_they_are_stored(tiny: Clone) -> None:
    """7 of 16 as a mean of shares: 43.7 % from all its digits, 43.8 % from those of stats.json."""
    params = tiny.read("params.yaml")
    places = score.declared.reads | {"papers": "data/papers"}
    at = SimpleNamespace(
        **{name: tiny.path / Template(path).substitute(params) for name, path in places.items()}
    )
    asked = packs.asked_from(params, tiny.read("conf/domain/autoimmune.yaml"), tiny.path)
    leaks = files.read_json(tiny.path / "results/contamination.json")
    del leaks["scores"]
    matcher = {"n": 3, "agreement": 0.43749999999999994, "kappa": 0.024999999999999994}
    block = {"status": "ok", "model": "j", "recall": {"qlora": 0.43749999999999994},
             "pairs": {}, "unclear": 0, "people": {"n": 0}, "matcher": matcher}  # fmt: skip
    stats, texts = outputs.scored(at, asked, leaks, opinions=lambda _: block)
    assert stats["judge"] == files.rounded(block)
    assert "QLoRA 43.8 %" in texts["markdown"] and "QLoRA 43.8 %" in texts["html"]


def test_a_difference_is_shown_where_it_is() -> None:
    left, right = "a" * 300 + "1" + "b" * 300, "a" * 300 + "2" + "b" * 300
    said = packs.first_difference(f"x\n{left}\n", f"x\n{right}\n")
    assert said.startswith("line 2: '...aaa") and "a1b" in said and "a2b" in said
    assert len(said) < 260


def test_an_absent_pack_is_one_line(tiny: Clone, tmp_path: Path) -> None:
    done = commands.titer(tiny.path, "report", "verify", str(tmp_path / "x.zip"))
    assert done.err.splitlines()[-1].endswith("x.zip: no such file")


def test_what_is_no_pack_is_one_line(tiny: Clone, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_text("not a zip")
    done = commands.titer(tiny.path, "report", "verify", str(tmp_path / "x.zip"))
    assert done.code == 1
    assert "not a pack of `titer report pack`" in done.err.splitlines()[-1]


def test_a_pack_and_an_export_need_the_list_of_a_folder(tiny: Clone, tmp_path: Path) -> None:
    md5 = {o["path"]: o["md5"] for o in tiny.read("dvc.lock")["stages"]["fetch_papers"]["outs"]}
    listed = objects.path_of(tiny.path / ".dvc/cache", md5["data/papers"])
    aside = listed.rename(tmp_path / "list")
    try:
        for words in (("report", "pack", "--out", str(tmp_path / "x.zip")),
                      ("export", "llama-factory", "--out", str(tmp_path / "rows"))):  # fmt: skip
            done = commands.titer(tiny.path, *words)
            assert (done.code, done.out) == (1, "")
            assert done.err.splitlines()[-1].startswith(
                "error: data/papers: the list of its files is absent in DVC's cache"
            )
    finally:
        aside.rename(listed)
    assert [path.name for path in tmp_path.iterdir()] == []

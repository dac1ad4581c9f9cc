"""The configuration: every file composes, both readers agree, each mistake is one clear line."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from titer import runner
from titer.config import Config
from titer.errors import ConfigError

ROOT = runner.ROOT
CONF_FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("conf/*/*.yaml"))
GROUP_FILES = [name for name in CONF_FILES if not name.startswith("conf/sweep")]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of params.yaml and conf/ that a test may spoil."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    monkeypatch.setattr(runner, "ROOT", tmp_path)
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, f"{old!r} is not in {path.name}"
    path.write_text(text.replace(old, new, 1))


def test_everything_composes() -> None:
    assert runner.check_all().startswith("configuration ok: domain=autoimmune, hardware=cpu")


@pytest.mark.parametrize("name", GROUP_FILES)
def test_a_file_composes_with_the_present_choices(name: str) -> None:
    _, group, file = name.split("/")
    choices, values = runner.load_params()
    config = runner.typed(runner.merge({**choices, group: file.removesuffix(".yaml")}, values))
    assert isinstance(config, Config)


@pytest.mark.parametrize("name", [*GROUP_FILES, "params.yaml"])
def test_dvc_and_hydra_read_the_same_values(name: str) -> None:
    """DVC reads YAML 1.2 through ruamel, we read through OmegaConf: `yes` and `012` differ."""
    from ruamel.yaml import YAML

    ours = OmegaConf.to_container(OmegaConf.load(ROOT / name))
    theirs = YAML(typ="safe").load((ROOT / name).read_text())
    assert ours == theirs


@pytest.mark.parametrize("name", GROUP_FILES)
def test_every_key_of_a_conf_file_has_a_comment(name: str) -> None:
    for line in (ROOT / name).read_text().splitlines():
        if line and not line.startswith((" ", "#", "-")):
            nested = line.rstrip().endswith(":")
            plain = line.split(":")[0] in {"learning_rate", "lexicon", "title", "repo_id"}
            assert "#" in line or nested or plain, f"{name}: {line}"


MISTAKES: list[Any] = [
    ("params.yaml", "seed: 42", "sead: 42",
     "params.yaml: unknown key 'sead' (did you mean seed?); known: domain, eval, examples, full, "
     "hardware, model, papers, plan, qlora, score, seed"),
    ("params.yaml", "lora_r: 32", "lora_rank: 16",
     "params.yaml: qlora.lora_rank: Key 'lora_rank' not in 'QloraSettings'"
     " (did you mean lora_r?)"),
    ("params.yaml", "lora_r: 32", "lora_r: big",
     "params.yaml: qlora.lora_r: Value 'big' of type 'str' could not be converted to Integer"),
    ("params.yaml", "lora_r: 32", "lora_r: 0", "qlora.lora_r = 0: must be at least 1"),
    ("params.yaml", "seed: 42", "seed: -1", "seed = -1: must be from 0 to 2,147,483,647"),
    ("params.yaml", "weight_decay: 0.01", "weight_decay: -1",
     "full.weight_decay = -1.0: must be in [0, 1)"),
    ("params.yaml", "weight_decay: 0.01", "weight_decay: .nan",
     "full.weight_decay = nan: must be in [0, 1)"),
    ("params.yaml", "neftune_alpha: 0.0", "neftune_alpha: .inf",
     "qlora.neftune_alpha = inf: must be a number of at least 0"),
    ("params.yaml", "margin_points: 5.0", "margin_points: .inf",
     "plan.margin_points = inf: must be a number above 0"),
    ("conf/model/pocket.yaml", "n_heads: ", "n_heads: 7 # ",
     "model.pretraining.n_heads = 7: must be a divisor of "),
    ("conf/model/qwen3_8b.yaml", "full: 1e-5", "full: 0",
     "model.learning_rate.full = 0.0: must be between 0 and 1"),
    ("params.yaml", "model: pocket", "model: pockett",
     "params.yaml: model: 'pockett' has no file conf/model/pockett.yaml; choose one of "),
    ("params.yaml", "primary: closed_acc", "primary: closed_ac",
     "plan.primary = 'closed_ac': must be one of closed_acc, keypoint_recall, ref_bpb"
     " (did you mean closed_acc?)"),
    ("params.yaml", "seed: 42", "seed: ${oc.env:HOME}",
     "params.yaml: no ${...} here; DVC could not see what it changes"),
    ("conf/model/pocket.yaml", "dtype: float32", "dtype: float17",
     "conf/model/pocket.yaml: model.dtype: Invalid value 'float17', expected one of "
     "[float32, bfloat16]"),
    ("conf/model/pocket.yaml", "revision: null", "revision: main",
     "model.revision = 'main': must be null or a commit of 40 hex digits"),
    ("conf/model/qwen3_8b.yaml", "repo_id: Qwen/Qwen3-8B", "repo_id: null",
     "model.repo_id = None: must be given when model.source=hub"),
    ("conf/hardware/cpu.yaml", "device: cpu", "device: {cpu",
     "conf/hardware/cpu.yaml: not readable as YAML: "),
    ("conf/papers/live.yaml", "snapshot: '2026-11-01'", "snapshot: null",
     "papers.snapshot = None: must be a quoted date when papers.source=live"),
    ("conf/papers/files.yaml", "pmc:                          # body of open-access papers, from "
     "NCBI\n  enabled: false", "pmc:\n  enabled: true",
     "papers.snapshot = None: must be a quoted date when further services are asked"),
    ("conf/papers/live.yaml", "batch_size: 100 ", "batch_size: 1001 ",
     "papers.europe_pmc.batch_size = 1001: must be from 1 to 1000"),
    ("conf/papers/live.yaml", "batch_size: 20 ", "batch_size: 0 ",
     "papers.pmc.batch_size = 0: must be at least 1"),
    ("conf/sweep/qlora_lr.yaml", "qlora.lora_r:", "qlora.rank:",
     "conf/sweep/qlora_lr.yaml: sets the unknown key 'qlora.rank'"),
    ("conf/sweep/qlora_lr.yaml", "choice(8, 16, 32)", "choice(8, x, 32)",
     "conf/sweep/qlora_lr.yaml: qlora.lora_r=x: Value 'x' of type 'str' could not be converted"),
    ("conf/sweep/qlora_grid.yaml", "16,32", "16,32x",
     "conf/sweep/qlora_grid.yaml: qlora.lora_r=32x: Value '32x' of type 'str' could not be"),
    ("conf/sweep/seeds.yaml", "# @package _global_", "# the seeds",
     "conf/sweep/seeds.yaml: without the line '# @package _global_' Hydra overlooks it"),
    ("conf/domain/biology.yaml", "lexicon: [cell", "lexicon: [NO",
     "conf/domain/biology.yaml: domain.lexicon: False is no text; write it in quotes"),
    ("conf/domain/autoimmune.yaml", "tags: [biology", "tags: [2026",
     "conf/domain/autoimmune.yaml: domain.tags: 2026 is no text; write it in quotes"),
    ("conf/domain/autoimmune.yaml", "wording: {}", "wording: {disease: 1.5}",
     "conf/domain/autoimmune.yaml: domain.wording.disease: 1.5 is no text; write it in quotes"),
    ("params.yaml", "questions: null", "questions: on",
     "params.yaml: eval.questions: True is no text; write it in quotes"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "message"), MISTAKES, ids=lambda v: str(v)[:24])
def test_a_mistake_is_one_line(project: Path, file: str, old: str, new: str, message: str) -> None:
    edit(project / file, old, new)
    with pytest.raises(ConfigError) as caught:
        runner.check_all()
    text = str(caught.value)
    assert text.startswith(message)
    assert "\n" not in text


def test_a_key_without_a_value_is_named(project: Path) -> None:
    lines = (project / "params.yaml").read_text().splitlines()
    (project / "params.yaml").write_text("\n".join(x for x in lines if "lora_alpha" not in x))
    with pytest.raises(ConfigError, match=r"^no value for qlora\.lora_alpha$"):
        runner.check_all()


@pytest.mark.parametrize(
    ("text", "message"),
    [("hydra:\n", "hydra holds nothing"), ("hydra: {sweeper: }\n", "hydra.sweeper holds nothing"),
     ("hydra:\n  sweeper:\n    params:\n", "hydra.sweeper.params holds nothing"),
     ("hydra: {sweeper: {params: [seed]}}\n", "hydra.sweeper.params holds a list")],
    ids=lambda value: str(value).split()[0],
)  # fmt: skip
def test_an_empty_part_of_a_sweep_is_named(project: Path, text: str, message: str) -> None:
    (project / "conf/sweep/mine.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        runner.check_all()
    assert str(caught.value) == (
        f"conf/sweep/mine.yaml: {message}, expected keys and values. Fill it, or remove the line"
    )


def test_a_conf_file_that_cannot_be_read_is_named(project: Path) -> None:
    (project / "conf/domain/broken.yaml").write_bytes(b"\xff\xfe\x00title: x")
    with pytest.raises(ConfigError, match=r"^conf/domain/broken\.yaml: "):
        runner.check_all()


def test_a_stage_cannot_read_what_it_does_not_declare() -> None:
    choices, values = runner.load_params()
    config = runner.typed(runner.merge(choices, values))
    view = runner.narrow(config, ("seed", "model.dtype"))
    assert (view.seed, view.model.dtype) == (42, "float32")
    with pytest.raises(AttributeError):
        _ = view.model.max_length
    with pytest.raises(AttributeError):
        _ = view.qlora


def test_titer_check_is_one_line_and_exit_code_2(project: Path) -> None:
    edit(project / "params.yaml", "seed: 42", "sead: 42")
    shutil.copytree(ROOT / "titer", project / "titer", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from titer.cli.main import main; sys.exit(main())",
         "check"],
        cwd=project, capture_output=True, text=True, env={"PYTHONPATH": str(project)},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: params.yaml: unknown key 'sead' (did you mean seed?)")
    assert done.stderr.count("\n") == 1


def test_the_lock_is_read_as_dvc_wrote_it(project: Path) -> None:
    """DVC writes YAML 1.2, in which NO needs no quotes, and keeps a date that had none."""
    edit(project / "conf/domain/autoimmune.yaml", "lexicon: [autoimmune, ", "lexicon: ['NO', ")
    edit(project / "params.yaml", "papers: sample", "papers: live")
    edit(project / "conf/papers/live.yaml", "snapshot: '2026-11-01'", "snapshot: 2026-11-01")
    dvc = project / "dvc.yaml"
    dvc.write_text("stages:\n  one: {cmd: x, outs: [a]}\n  train_qlora: {cmd: y, deps: [a]}\n")
    choices, config = runner.chosen()
    words = ", ".join(config.domain.lexicon)
    (project / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  one:\n    cmd: x\n    params:\n"
        f"      conf/domain/autoimmune.yaml:\n        lexicon: [{words}]\n"
        "      conf/papers/live.yaml:\n        snapshot: 2026-11-01\n"
    )
    assert words.startswith("NO, ")
    runner.check_inputs(runner.plain(config), "train_qlora", choices)


@pytest.mark.parametrize("text", ["a: " + "[" * 100_000, "stages: [", "- a", "\xff"])
def test_a_damaged_lock_is_one_line(project: Path, text: str) -> None:
    (project / "dvc.lock").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"^dvc\.lock: ") as caught:
        runner.dvc_stages("dvc.lock")
    assert "\n" not in str(caught.value)


def test_every_yaml_file_is_plain_yaml() -> None:
    for name in ["dvc.yaml", *CONF_FILES]:
        assert yaml.safe_load((ROOT / name).read_text()), name

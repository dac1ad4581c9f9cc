"""Fetch, copy or build the base model, and see that it answers.

Reads the pretraining text (pocket only); writes the model folder and results/model.json.
    python -m stages.download_model model=pocket       one run by hand, into runs/
"""

from typing import Any

from titer import files
from titer.runner import ROOT, Places, stage

MODEL_KEYS = ("source", "repo_id", "revision", "path", "pretraining", "attention_factor")


@stage(
    uses=tuple(f"model.{key}" for key in MODEL_KEYS),
    untracked=("hardware.device",),
    reads={"texts": "data/pretraining", "own": "data/own/model"},
    writes={"base": "models/base", "model": "results/model.json"},
)
def download_model(cfg: Any, at: Places) -> None:
    """Obtain the base model and record who it is."""
    from titer.modeling import download, probe

    own = download.own_path(cfg.model.path, root=ROOT, own=at.reads.own)
    commit = download.obtain(cfg.model, out=at.writes.base, own=own, texts=at.reads.texts)
    generated = probe.try_out(at.writes.base, device=cfg.hardware.device)
    identity = download.describe(at.writes.base, cfg.model, commit=commit, generated=generated)
    files.write_json(at.writes.model, identity)


if __name__ == "__main__":
    download_model.main()

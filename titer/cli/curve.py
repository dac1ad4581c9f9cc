"""What `titer data learning-curve` does: trains on shares of the examples, says what it shows."""

import math
from collections.abc import Sequence
from pathlib import Path

from titer.config import Config

OUT = "runs/learning_curve.json"


def shares_of(text: str) -> list[float]:
    """The shares that an argument names, smallest first.

    Raises:
        ConfigError: fewer than two, or one outside (0, 1].
    """
    from titer.errors import ConfigError

    try:
        shares = sorted({float(part) for part in text.split(",")})
    except ValueError:
        shares = []
    if len(shares) < 2 or not 0 < shares[0] <= shares[-1] <= 1:
        raise ConfigError(f"--shares {text}: at least two shares above 0 and at most 1, such as "
                          "0.1,0.3,1")  # fmt: skip
    return shares


def _check(n_seeds: int, epochs: float | None) -> None:
    from titer.errors import ConfigError

    if n_seeds < 1:
        raise ConfigError(f"--seeds {n_seeds}: at least 1, such as 3")
    if epochs is not None and not 0 < epochs < math.inf:
        raise ConfigError(f"--epochs {epochs:g}: a number above 0, such as 1.5")


def draw(
    config: Config, shares: Sequence[float], epochs: float | None, root: Path, *, n_seeds: int
) -> None:
    """Train, print the curve and keep it.

    Raises:
        ConfigError: no seed, or epochs that are no number above 0.
        DataError: no examples yet, or too few of them.
        LoadError: no base model yet.
    """
    from dataclasses import replace

    _check(n_seeds, epochs)  # before torch loads
    from titer import files
    from titer.cli.places import training_rows
    from titer.config import qlora_run
    from titer.errors import LoadError
    from titer.training import learning_curve

    settings, base = qlora_run(config), root / "models" / "base"
    data = training_rows(root, settings)
    if not base.is_dir():
        raise LoadError("models/base: no model yet. Run: dvc repro download_model")
    settings = replace(settings, epochs=epochs or settings.epochs)
    found = learning_curve.draw(settings, base=base, data=data, shares=shares, n_seeds=n_seeds)
    print(
        f"| share | rows | best held-out loss | of each seed | at step of {found.n_steps} | last |"
    )
    print("|---:|---:|---:|---:|---:|---:|")
    for one in found.points:
        print(f"| {one.share:.0%} | {one.n_rows:,} | {one.loss:.4f} | {_losses(one.losses)} | "
              f"{', '.join(map(str, one.steps))} | {_losses(one.last_losses)} |")  # fmt: skip
    print(found.sentence())
    files.write_json(root / OUT, files.rounded(found.to_json()))
    print(OUT)


def _losses(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)

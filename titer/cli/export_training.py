"""The verbs of `titer export` that take a training: llama-factory, axolotl, colab."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from titer.cli.places import short, training_rows
from titer.config import ModelSettings
from titer.records import Example

if TYPE_CHECKING:
    from titer.export.training_run import Run


def add(verbs: Any) -> None:
    """Add the verbs that take a training."""
    for name, run, text in (
        ("llama-factory", llama_factory,
         "training rows, dataset_info.json and both fine-tunes for LLaMA-Factory"),
        ("axolotl", axolotl, "training rows and both fine-tunes for Axolotl"),
    ):  # fmt: skip
        verb = verbs.add_parser(name, help=text, description=text)
        folder = f"exports/{name.replace('-', '_')}"
        verb.add_argument("--out", type=Path, help=f"folder to write; default: {folder}")
        verb.add_argument("--base", type=Path, help="model folder; default: models/base")
        verb.set_defaults(run=run)
    text = "a notebook that runs this commit's stages again, on Colab or elsewhere"
    verb = verbs.add_parser(
        "colab",
        help=text,
        description=f"{text}. Example: titer export colab -S hardware=gpu_16gb",
    )
    verb.add_argument("--out", type=Path, help="file to write; default: exports/titer.ipynb")
    verb.add_argument(
        "--repository", metavar="URL", help="where the notebook gets the project; default: origin"
    )
    verb.add_argument(
        "-S", dest="settings", action="append", default=[], metavar="KEY=VALUE",
        help="setting on top of params.yaml, as for `dvc exp run`",
    )  # fmt: skip
    verb.set_defaults(run=colab)


def llama_factory(arguments: argparse.Namespace) -> None:
    """Write data and YAML files.

    Raises:
        TiterError: there are no examples or no model yet, or they changed since they were made.
    """
    from titer.export import llamafactory

    base = arguments.base or own_base()
    _write_training(arguments, base, llamafactory.write, "llama_factory")


def axolotl(arguments: argparse.Namespace) -> None:
    """Write data and YAML files.

    Raises:
        TiterError: there are no examples or no model yet, they changed since they were made, or
            the model has no chat template.
    """
    from titer.errors import LoadError
    from titer.export import axolotl as target

    base = arguments.base or own_base()
    if not load_tokenizer(base).chat_template:
        raise LoadError(
            f"{base}: no chat template, and Axolotl has none like Titer's plain prompt. Choose a "
            "model with one, or train here: dvc repro train_qlora"
        )
    _write_training(arguments, base, target.write, "axolotl")


def colab(arguments: argparse.Namespace) -> None:
    """Write the notebook.

    Raises:
        TiterError: a wrong setting, uncommitted changes, or no repository.
    """
    from titer import runner
    from titer.config import Device
    from titer.export import colab as target

    choices, config = runner.overridden(arguments.settings)
    origin = target.find_origin(runner.ROOT, arguments.repository)
    out = arguments.out or runner.ROOT / "exports" / "titer.ipynb"
    made = target.notebook(
        origin,
        choices=choices,
        settings=arguments.settings,
        needs_gpu=config.hardware.device != Device.cpu,
    )
    target.write(out, made)
    print(short(out))
    print(f"{origin.commit} from {origin.repository}")
    if not origin.is_pushed:
        print("no remote branch is known to hold this commit: push it before you run the notebook")


def load_tokenizer(folder: Path, *, instead: str = "--base") -> Any:
    """The tokenizer of a model folder.

    Args:
        folder: of the model.
        instead: options that name another, for the message.
    Raises:
        LoadError: there is none.
    """
    from titer.errors import LoadError
    from titer.modeling import loading

    if not folder.is_dir():
        raise LoadError(
            f"{folder}: no model, so no chat template. Run: dvc repro download_model, or give "
            f"{instead}"
        )
    return loading.load_tokenizer(folder)


def own_base() -> Path:
    """The base that download_model made, known to be unchanged.

    Raises:
        DataError: it changed, or nothing tells whether it did.
    """
    from titer import runner
    from titer.cli import doctor

    doctor.check_outs(runner.ROOT, ["models/base"])
    return runner.ROOT / "models" / "base"


def _write_training(arguments: argparse.Namespace, base: Path, write: Any, name: str) -> None:
    from titer import runner
    from titer.cli import doctor
    from titer.modeling.loading import quiet_known_noise

    quiet_known_noise()  # before transformers imports what makes it
    doctor.check_outs(runner.ROOT, ["data/papers"])
    train, validation, runs, n_long, max_length = _training(base)
    out = arguments.out or runner.ROOT / "exports" / name
    for path in write(out, train=train, validation=validation, runs=runs, base=str(base.resolve())):
        print(short(path))
    print(
        f"{len(train):,} rows to train, {len(validation):,} to validate; {n_long:,} longer than "
        f"model.max_length={max_length} are left out, as here"
    )


def _training(base: Path) -> tuple[list[Example], list[Example], dict[str, "Run"], int, int]:
    """Rows of both parts, both runs, how many rows are too long and beyond how many tokens."""
    from titer import runner
    from titer.config import full_run, qlora_run
    from titer.export.training_run import Run
    from titer.training import preflight
    from titer.training.arguments import n_steps

    _, config = runner.chosen()
    settings_of = {"qlora": qlora_run(config), "full": full_run(config)}
    data = training_rows(runner.ROOT, settings_of["qlora"])
    tokenizer = load_tokenizer(base)
    train, validation = (
        _fitting(tokenizer, rows, config.model) for rows in (data.train, data.validation)
    )
    runs = {
        name: Run(
            settings,
            n_steps(settings, len(train)),
            preflight.micro_batch_rows(settings, settings.max_length),
        )
        for name, settings in settings_of.items()
    }
    n_long = len(data.train) + len(data.validation) - len(train) - len(validation)
    return train, validation, runs, n_long, config.model.max_length


def _fitting(tokenizer: Any, examples: Sequence[Example], model: ModelSettings) -> list[Example]:
    """The examples that training would keep, in their order."""
    from tqdm.auto import tqdm

    from titer.modeling.chat_template import encode_row

    return [
        row
        for row in tqdm(examples, desc="measuring rows", unit="row", delay=5)
        if len(encode_row(tokenizer, row.messages, model.think).input_ids) <= model.max_length
    ]

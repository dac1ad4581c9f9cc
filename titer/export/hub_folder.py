"""A fine-tune as a folder that can be pushed to the Hugging Face hub: weights, card, licence.

Invariant: the card belongs to exactly these weights, and nothing goes without a licence.
"""

import shutil
from pathlib import Path
from typing import Any

import yaml

from titer import files
from titer.errors import DataError, FormatError
from titer.export.source import Source
from titer.modeling.merging import copy_companions

CARD = "README.md"
ADAPTER_CONFIG = "adapter_config.json"


def check(source: Source, card: Path) -> None:
    """Refuse a card that is missing, names no licence, or tells of other weights.

    Raises:
        DataError: with what is wrong.
    """
    if not card.is_file():
        raise DataError(f"{card}: no such file. Run: dvc repro score")
    reason = source.not_evaluated()
    if reason is not None:
        raise DataError(f"{card}: tells of another model: {reason}. Run: dvc repro")
    if not front_matter(card).get("license"):
        raise DataError(f"{card}: no licence in its front matter, and no export goes without one")


def front_matter(card: Path) -> dict[str, Any]:
    """The YAML between the first two lines of dashes, empty where there is none.

    Raises:
        FormatError: the card is absent or no UTF-8, or what stands there is no YAML.
    """
    parts = files.read_text(card).split("---\n")
    try:
        found = yaml.safe_load(parts[1]) if len(parts) > 2 and not parts[0] else None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        text = " ".join(str(error).split())
        raise FormatError(f"{card}:1: its front matter is no YAML ({text})") from None
    return found if isinstance(found, dict) else {}


def write(
    source: Source, card: Path, licence: str, out: Path, *, base: tuple[str, str | None] | None
) -> None:
    """Write the folder.

    Args:
        card: reports/model_card_<arm>.md.
        licence: text of the base's licence.
        out: an empty folder.
        base: repository and revision below an adapter; null for a base that was built here or
            lies in a local folder.
    """
    folder = source.adapter or source.base
    copy_companions(folder, out)
    for path in sorted(folder.glob("*.safetensors*")):
        shutil.copyfile(path, out / path.name)
    if source.adapter is None:
        for name in ("config.json", "generation_config.json"):
            if (folder / name).is_file():
                shutil.copyfile(folder / name, out / name)
    else:
        config = files.read_json_object(folder / ADAPTER_CONFIG)
        repository, revision = base or (None, None)
        known = {"base_model_name_or_path": repository, "revision": revision}
        files.write_json(out / ADAPTER_CONFIG, config | known)
    files.write_text(out / "LICENSE", licence)
    files.write_text(out / CARD, files.read_text(card))

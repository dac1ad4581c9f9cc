"""`titer papers generate`: a language model writes questions and answers about the papers."""

import argparse
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from titer.modeling.endpoint import KEY


def add_verb(verbs: Any) -> None:
    """Add the verb to the noun `papers`."""
    verb = verbs.add_parser(
        "generate",
        help="let a language model write questions and answers about the papers",
        description="Ask a language model for questions, answers and quotes about the papers in "
        "data/papers and write them to data/own/<domain>/generated/<name>.jsonl. `dvc repro` then "
        "takes the rows that pass the grounding gate. Run again, it goes on where it stopped. "
        f"The key of an endpoint is {KEY}. Example: titer papers generate --endpoint "
        "http://127.0.0.1:8000/v1 --model qwen3",
    )
    who = verb.add_mutually_exclusive_group(required=True)
    who.add_argument("--endpoint", help="address of an OpenAI-compatible service, up to /v1")
    who.add_argument("--base", action="store_true", help="ask the base model, models/base")
    verb.add_argument(
        "--model", dest="served", metavar="NAME", help="name of the model at the endpoint"
    )
    verb.add_argument("--revision", default="", help="of the endpoint's model, for the record")
    verb.add_argument("--name", help="name of the file (default: the model's name)")
    verb.add_argument("--domain", help="default: the domain chosen in params.yaml")
    verb.add_argument("--limit", type=_positive, help="ask about so many papers at most")
    verb.add_argument("--per-paper", type=_positive, default=3, help="rows per paper (3)")
    verb.add_argument("--seed", type=int, default=0, help="of sampling (0)")
    verb.add_argument("--temperature", type=_temperature, default=0.7, help="0 to 2 (0.7)")
    verb.add_argument("--batch-size", type=_positive, default=8, help="asked at once (8)")
    verb.add_argument("--max-new-tokens", type=_positive, default=1024, help="per reply (1024)")
    verb.add_argument("--timeout", type=_positive, default=120, help="seconds per request (120)")
    verb.add_argument("--tries", type=_positive, default=5, help="per request (5)")
    verb.set_defaults(run=generate)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: at least 1")
    return number


def _temperature(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 2:
        raise argparse.ArgumentTypeError(f"{text}: 0 to 2")
    return number


def generate(arguments: argparse.Namespace) -> None:
    """Ask, write, and say what the gate will make of it.

    Raises:
        ConfigError: arguments that do not go together.
        DataError: there are no papers yet.
        SourceError: the endpoint failed; the rows so far are kept.
    """
    from titer import runner
    from titer.cli.domain import chosen
    from titer.examples import generated, generator

    domain = chosen(arguments.domain)
    papers = _papers(runner.ROOT / "data" / "papers", arguments.limit)
    model, revision = _identity(arguments, runner.ROOT)
    name = re.sub(r"[^\w.-]+", "_", arguments.name or model).strip("._") or "model"
    out = runner.ROOT / "data" / "own" / domain / "generated" / f"{name}.jsonl"
    asked = generator.generate(
        papers,
        _asker(arguments),
        generator.Generator(model, revision, arguments.temperature, arguments.seed),
        out,
        per_paper=arguments.per_paper,
        batch_size=arguments.batch_size,
    )
    print(
        f"{out.relative_to(runner.ROOT)}: {asked.papers} papers asked, {asked.known} known before, "
        f"{asked.rows} rows, {asked.empty} replies without one"
    )
    _print_gate(generated.gate(generated.read_file(out), papers))


def _print_gate(gated: Any) -> None:
    from collections import Counter

    print(f"the grounding gate takes {len(gated.examples)} rows of these papers")
    for reason, count in sorted(Counter(leak.item_id for leak in gated.rejected).items()):
        print(f"  rejects {count}: {reason}")
    print("next: dvc repro")


def _papers(folder: Path, limit: int | None) -> list[Any]:
    from titer import files
    from titer.errors import DataError
    from titer.examples.folder import PAPERS
    from titer.records import Paper

    if not (folder / PAPERS).is_file():
        raise DataError(f"data/papers/{PAPERS}: no papers yet. Run: dvc repro fetch_papers")
    papers = [Paper.from_json(row) for row in files.read_jsonl(folder / PAPERS)]
    return papers[:limit]


def _identity(arguments: argparse.Namespace, root: Path) -> tuple[str, str]:
    """Name and revision of the model, as every row records them."""
    from titer import files
    from titer.errors import ConfigError

    if arguments.base:
        record = root / "results" / "model.json"
        known = files.read_json_object(record) if record.is_file() else {}
        revision = known.get("revision") or known.get("weights_sha256") or ""
        return str(known.get("id") or "base"), str(revision)
    if not arguments.served:
        raise ConfigError("--endpoint needs --model: the name under which it serves the model")
    return arguments.served, arguments.revision


def _asker(arguments: argparse.Namespace) -> Callable[[Sequence[str]], list[str]]:
    if not arguments.base:
        from titer.modeling.endpoint import Endpoint

        return Endpoint(
            arguments.endpoint,
            arguments.served,
            os.environ.get(KEY, "").strip() or None,
            temperature=arguments.temperature,
            seed=arguments.seed,
            max_new_tokens=arguments.max_new_tokens,
            timeout_s=arguments.timeout,
            max_tries=arguments.tries,
        ).ask_all
    from titer import runner
    from titer.config import GenerationSettings
    from titer.modeling.asking import LocalModel

    _, config = runner.chosen()
    settings = GenerationSettings(
        temperature=arguments.temperature, top_p=1.0, samples=1,
        max_new_tokens=arguments.max_new_tokens,
    )  # fmt: skip
    return LocalModel.load(
        runner.ROOT / "models" / "base",
        generation=settings,
        think=config.model.think,
        seed=arguments.seed,
        device=config.hardware.device,
        dtype=config.hardware.precision,
    ).ask_all

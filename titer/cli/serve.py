"""`titer serve`: the base and its fine-tunes over HTTP, on this machine."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from titer.addresses import LOCAL
from titer.cli.places import dvc

if TYPE_CHECKING:
    from titer.serving.catalogue import Catalogue
    from titer.serving.engine import Engine, Servable

ENGINES = ("transformers", "llama_cpp", "vllm")


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "serve",
        help="answer over HTTP: OpenAI's chat completions, keys, limits, audit log",
        description="Serve the base model and the active version of each domain, as evaluated. "
        "Needs a key: titer keys add. Example: titer serve --workspace",
    )
    parser.add_argument(
        "versions", nargs="*", metavar="VERSION", help="further ones, as autoimmune-qlora@v1.1.0"
    )
    parser.add_argument(
        "--workspace",
        action="store_true",
        help="the fine-tunes in models/ too, though not registered",
    )
    parser.add_argument(
        "--engine", choices=ENGINES, default=ENGINES[0], help="default: %(default)s"
    )
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), help="default: that of hardware in params.yaml"
    )
    parser.add_argument(
        "--gguf", action="append", default=[], metavar="NAME=FILE[,ADAPTER]",
        help="llama_cpp: the file of a model, and of its adapter; once per model",
    )  # fmt: skip
    parser.add_argument(
        "--url", default="http://127.0.0.1:8001/v1", help="vllm: its server; default: %(default)s"
    )
    parser.add_argument(
        "--vllm-name", action="append", default=[], metavar="NAME=THERE",
        help="vllm: how the server names a model; once per model",
    )  # fmt: skip
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s, this machine")
    parser.add_argument("--port", type=int, default=8000, help="default: %(default)s")
    parser.add_argument(
        "--limit", action="append", default=[], metavar="NAME=NUMBER",
        help="another limit than the default, see docs/serving.md",
    )  # fmt: skip
    parser.set_defaults(run=serve)


def serve(arguments: argparse.Namespace) -> None:
    """Load, listen, answer until SIGTERM.

    Raises:
        TiterError: nothing to serve, what is there does not belong together, or a wrong option.
    """
    from titer import runner
    from titer.errors import ConfigError
    from titer.serving import experiments, finding, keys, limits
    from titer.serving.app import create_app
    from titer.serving.running import serve as run

    if not 0 <= arguments.port <= 65_535:
        raise ConfigError(f"--port {arguments.port}: expected 0 to 65535")
    bounds = limits.parse(arguments.limit)
    keys.read(runner.ROOT / keys.FILE)  # unusable keys are said before models are loaded
    choices, config = runner.chosen()
    device = arguments.device or config.hardware.device
    tried = [arm for one in experiments.running(runner.ROOT).values() for arm in (one.a, one.b)]
    catalogue = finding.find(
        runner.ROOT,
        runner.groups()["domain"],
        workspace=choices["domain"] if arguments.workspace else None,
        also=dict.fromkeys([*arguments.versions, *tried]),
    )
    if arguments.engine == "llama_cpp":
        catalogue = _with_files(catalogue, arguments.gguf)
    engine = _engine(arguments, device, [offer.servable for offer in catalogue.offers.values()])
    app = create_app(
        runner.ROOT, catalogue, [engine], limits=bounds, run=(dvc(), "repro"),
        report_domain=choices["domain"],
    )  # fmt: skip
    _tell(catalogue, arguments.host)
    run(app, host=arguments.host, port=arguments.port, limits=bounds)


def _tell(catalogue: "Catalogue", host: str) -> None:
    """What is served, and what is not."""
    for name, offer in catalogue.offers.items():
        domains = [domain for domain, active in catalogue.active.items() if active == name]
        role = f", answers for {', '.join(domains)}" if domains else ""
        print(f"{name}: verdict {offer.verdict or 'none'}{role}")
    idle = sorted(catalogue.domains - set(catalogue.active))
    if idle:
        print(f"note: no active version of {', '.join(idle)}: the base answers, and says so")
    if host not in LOCAL:
        print(f"note: {host} can be reached from outside and speaks no TLS: put a proxy before it")


def _engine(
    arguments: argparse.Namespace, device: str, servables: Sequence["Servable"]
) -> "Engine":
    if arguments.engine == "transformers":
        from titer.config import Device
        from titer.serving.engines.in_process import InProcess

        return InProcess(servables, device=Device(device))
    if arguments.engine == "llama_cpp":
        from titer.serving.engines.llama_cpp import LlamaCpp

        return LlamaCpp(servables, _gguf(arguments.gguf))
    from titer.serving.engines.vllm import KEY, Address, Vllm

    names = dict(_pair("--vllm-name", text) for text in arguments.vllm_name)
    key = os.environ.get(KEY, "").strip() or None
    return Vllm(servables, Address(arguments.url, key, names))


def _with_files(catalogue: "Catalogue", settings: Sequence[str]) -> "Catalogue":
    """The models that have a GGUF file; the others are named and not served."""
    from titer.errors import ConfigError, did_you_mean
    from titer.serving.engine import BASE

    named = [_pair("--gguf", setting)[0] for setting in settings]
    for name in named:
        if name not in catalogue.offers:
            raise ConfigError(
                f"--gguf {name}: no such model{did_you_mean(name, catalogue.offers)}; "
                f"there are {', '.join(catalogue.offers)}"
            )
    if BASE not in named:
        raise ConfigError("--gguf: the base needs a file too: base=FILE. See: titer export gguf")
    without = sorted(set(catalogue.offers) - set(named))
    if without:
        print(f"note: no GGUF file is named for {', '.join(without)}: not served")
    return catalogue.only(named)


def _gguf(settings: Sequence[str]) -> dict[str, Any]:
    from titer.errors import ConfigError
    from titer.serving.engines.llama_cpp import Gguf

    found = {}
    for setting in settings:
        name, paths = _pair("--gguf", setting)
        model, _, adapter = paths.partition(",")
        for path in (model, adapter):
            if path and not Path(path).is_file():
                raise ConfigError(f"--gguf {setting}: {path}: no such file. See: titer export gguf")
        found[name] = Gguf(Path(model), Path(adapter) if adapter else None)
    return found


def _pair(option: str, text: str) -> tuple[str, str]:
    from titer.errors import ConfigError

    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ConfigError(f"{option} {text}: expected the form NAME=...")
    return name, value

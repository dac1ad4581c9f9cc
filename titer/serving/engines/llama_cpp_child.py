"""llama.cpp in a process of its own: a crash or a kill there is one failed answer here.

    python -m titer.serving.engines.llama_cpp_child < settings.json

Settings come as one line of JSON on standard input, the address goes as one line of JSON to
standard output; when standard input closes, with the parent or by it, the process ends.
"""

import json
import os
import sys
from typing import Any


def main() -> int:
    """Serve until standard input closes."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever llama.cpp prints is not the answer
    settings = json.loads(sys.stdin.readline())
    try:
        server = _serve(settings)
    except RuntimeError as error:
        print(json.dumps({"error": str(error)}), file=answer, flush=True)
        return 1
    print(json.dumps({"address": server.listening_address}), file=answer, flush=True)
    sys.stdin.read()
    # its threads are in native code: there is nothing to save, and to end is all that is wanted
    os._exit(0)


def _serve(settings: dict[str, Any]) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings["model"]
    params.n_parallel = settings["n_rows"]
    params.n_ctx = settings["n_rows"] * settings["context"]
    params.n_gpu_layers = settings["n_gpu_layers"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings["n_threads"]
    params.api_keys = [settings["key"]]
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(a, 0.0) for a in settings["adapters"]]
    # no prompt of one model may be continued by another, and nobody else is to look in
    params.cache_prompt = params.warmup = params.fit_params = params.ui = False
    params.endpoint_slots = False
    params.cache_ram_mib = 0
    params.verbosity = 0
    return xllamacpp.Server(params)


if __name__ == "__main__":
    sys.exit(main())

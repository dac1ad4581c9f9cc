"""A GGUF file in the real llama.cpp: greedy text and likelihoods of next tokens, on the CPU.

Invariant: prompts go in as token ids, so that no template and no tokenizer stands between.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from titer.errors import LoadError, ModelError

TIMEOUT_S = 600
"""For one prompt; large models on a CPU are slow."""
FORCED = 1e4
"""Bias beyond any logit."""


class Engine:
    """One loaded model."""

    def __init__(self, model: Path, *, adapter: Path | None = None, context: int, end: int) -> None:
        """Load it.

        Args:
            model: a GGUF file.
            adapter: a LoRA adapter in GGUF, applied in full.
            context: tokens of prompt and answer together.
            end: id of a token that ends an answer.

        Raises:
            LoadError: llama.cpp does not take the file.

        Every method raises ModelError when llama.cpp ends in between.
        """
        import xllamacpp

        self._end = end
        params = xllamacpp.CommonParams()
        params.model.path = str(model)
        params.n_ctx = context
        params.n_parallel = 1
        params.n_gpu_layers = 0
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
        params.warmup = params.fit_params = params.cache_prompt = False
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        params.verbosity = 0
        if adapter is not None:
            params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
        try:
            self._server: Any = xllamacpp.Server(params)
        except RuntimeError as error:
            raise LoadError(f"{model}: llama.cpp does not load it: {error}") from None

    def greedy(self, prompt: Sequence[int], n_new: int, ends: set[int]) -> list[int]:
        """Ids of the likeliest continuation, up to and without a token of `ends`."""
        found: list[int] = []
        while len(found) < n_new:
            (token,) = self._likeliest([*prompt, *found], 1)
            if token in ends:
                break
            found.append(token)
        return found

    def along(
        self, prompt: Sequence[int], continuation: Sequence[int], n: int
    ) -> list[dict[int, float]]:
        """The n likeliest next tokens after the prompt and after each token of the continuation.

        Returns:
            Token id -> natural log-likelihood, one mapping per position; one more than the
            continuation has tokens.
        """
        ids = [*prompt, *continuation]
        return [self._likeliest(ids[:end], n) for end in range(len(prompt), len(ids) + 1)]

    def tokenize(self, text: str) -> list[int]:
        """Ids of a text, special tokens recognised, none added."""
        asked = {"content": text, "add_special": False, "parse_special": True}
        ids: list[int] = self._post("tokenize", asked)["tokens"]
        return ids

    def _likeliest(self, ids: Sequence[int], n: int) -> dict[int, float]:
        # the server gives no likelihoods with a token that is no whole character; the bias makes it
        # say the end token, and likelihoods are those from before any bias
        asked = {
            "prompt": list(ids), "n_predict": 1, "n_probs": n, "temperature": 0.0,
            "logit_bias": [[self._end, FORCED]], "cache_prompt": False,
        }  # fmt: skip
        first = self._post("completion", asked)["completion_probabilities"][0]
        return {int(one["id"]): float(one["logprob"]) for one in first["top_logprobs"]}

    def _post(self, path: str, asked: Mapping[str, Any]) -> Any:
        import requests

        address = f"{self._server.listening_address}/{path}"
        try:
            answer = requests.post(address, json=asked, timeout=TIMEOUT_S)
            answer.raise_for_status()
        except requests.RequestException as error:
            raise ModelError(f"llama.cpp gives no answer: {error}") from None
        return answer.json()

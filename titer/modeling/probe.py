"""The first words of a model that was just downloaded: "download and test"."""

import logging
from pathlib import Path

from titer.config import Device, Dtype, GenerationSettings, Think
from titer.modeling import chat_template, loading
from titer.modeling.download import PROBE_QUESTION
from titer.modeling.generation import generate

logger = logging.getLogger(__name__)

PROBE_TOKENS = 24


def try_out(folder: Path, *, device: Device) -> str:
    """The model's greedy answer to the probe question, at most PROBE_TOKENS tokens.

    Asked through the model's own template as it is, so that no setting but the model matters.

    Raises:
        LoadError: tokenizer or weights cannot be loaded.
    """
    tokenizer = loading.load_tokenizer(folder)
    dtype = Dtype.bfloat16 if device == Device.cuda else Dtype.float32
    model = loading.load_model(folder, dtype=dtype, device=device)
    prompt = chat_template.render_prompt(tokenizer, chat_template.ask(PROBE_QUESTION), Think.keep)
    ids = chat_template.encode_prompt(tokenizer, prompt)
    settings = GenerationSettings(
        temperature=0.0, top_p=1.0, samples=1, max_new_tokens=PROBE_TOKENS
    )
    (result,) = generate(model, tokenizer, [ids], settings, batch_size=1, seed=0)
    text: str = tokenizer.decode(result.ids, skip_special_tokens=False)
    logger.info("asked %r, the model says %r", PROBE_QUESTION, text)
    return text

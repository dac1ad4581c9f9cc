"""Small fine-tunes of the architectures that GGUF is written for, each with an adapter that counts.

The weights are wider than initial ones, or every next token would be about as likely as any other.
"""

from pathlib import Path
from typing import Any

from tests import small_models
from titer import files
from titer.modeling import chat_template, loading

WIDTH = 6.0
"""Times the initial weights."""
QUESTIONS = (
    "Which antibody marks systemic lupus erythematosus?",
    "What does belimumab bind?",
    "Anti-CCP, IL-6 > 40 pg/mL (95% CI 3.1–4.7) and α-TNF: what follows?",
    "Name one drug that causes lupus.",
)
TEXTS = (
    "Anti-dsDNA  (IgG) 12345 don't\n\n β-cell ≥ 3.5%",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    "naïve 日本 \t tabs\r\nand  spaces ",
)


def base(name: str, out: Path, **config: Any) -> Path:
    """A model of an architecture with wide weights; `config` replaces keys of config.json."""
    import torch
    from transformers import AutoModelForCausalLM

    small_models.build(name, out)
    if config:
        path = out / "config.json"
        files.write_json(path, files.read_json(path) | config)
        # with weights that only `config` asks for, such as biases
        AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).save_pretrained(out)
    model = loading.load_model(out, dtype="float32", device="cpu")
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(WIDTH)
            elif parameter.abs().max() == 0:  # biases, which would prove nothing as zeros
                parameter.normal_(0.0, 0.2)
    model.save_pretrained(out)
    return out


def adapter(folder: Path, out: Path, **config: Any) -> Path:
    """A LoRA adapter on all linear layers whose second halves are not zero."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(2)
    model = loading.load_model(folder, dtype="float32", device="cpu")
    options = {"r": 4, "lora_alpha": 12, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    tuned = get_peft_model(model, LoraConfig(**(options | config)))
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0.0, 0.1)
    tuned.save_pretrained(out)
    (out / "README.md").unlink()
    return out


def prompts(folder: Path) -> list[list[int]]:
    """The questions as token ids."""
    tokenizer = loading.load_tokenizer(folder)
    return [
        chat_template.encode_prompt(
            tokenizer, chat_template.render_prompt(tokenizer, chat_template.ask(text), "none")
        )
        for text in QUESTIONS
    ]

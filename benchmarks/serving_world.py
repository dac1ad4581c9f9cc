"""What the serving benchmark asks: the models of the default run, and questions with their answers.

Invariant: an answer counts as right only where it is, to the letter, what the evaluation's own
generation gives for that model and question.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from titer.config import Device, Dtype, GenerationSettings, Think
from titer.modeling import chat_template, loading
from titer.modeling.generation import generate
from titer.serving.engine import BASE, Ask, Servable

ADAPTER, OTHER, FULL = "autoimmune-qlora@v1.0.0", "autoimmune-qlora@v2.0.0", "full"
ROOT = Path(__file__).resolve().parents[1]
N_NEW = 96
GREEDY = GenerationSettings(temperature=0.0, top_p=1.0, samples=1, max_new_tokens=N_NEW)


@dataclass(frozen=True)
class World:
    """Models and questions of a finished default run."""

    models: Path
    questions: list[str]
    other: Path
    """A second adapter, whose updates have the opposite sign."""

    def servable(self, name: str) -> Servable:
        """One of the models, in float32."""
        folder = self.models / ("full" if name == FULL else "base")
        adapter = {ADAPTER: self.models / "qlora", OTHER: self.other}.get(name)
        template = chat_template.template_sha256(loading.load_tokenizer(folder))
        return Servable(
            name, folder, adapter, None, "default run", template, Dtype.float32, False, Think.none,
            GREEDY,
        )  # fmt: skip

    def answers(self, name: str, questions: Sequence[str]) -> list[str]:
        """What the evaluation's generation gives."""
        one = self.servable(name)
        tokenizer = loading.load_tokenizer(one.folder)
        model = loading.load_model(one.folder, dtype=one.precision, device=Device.cpu)
        if one.adapter is not None:
            model = loading.load_adapter(model, one.adapter)
        prompts = [
            chat_template.encode_prompt(
                tokenizer,
                chat_template.render_prompt(tokenizer, chat_template.ask(text), one.think),
            )
            for text in questions
        ]
        made = generate(model, tokenizer, prompts, GREEDY, batch_size=16, seed=0)
        return [tokenizer.decode(answer.ids, skip_special_tokens=True) for answer in made]


def build(home: Path, n_questions: int) -> World:
    """Questions of the run's own training rows, whose answers are a few words or a sentence."""
    rows = [
        json.loads(line)
        for line in (ROOT / "data/papers/examples/train.jsonl").read_text("utf-8").splitlines()
    ]
    texts = sorted({row["messages"][0]["content"] for row in rows})
    questions = random.Random(0).sample(texts, n_questions)
    models = ROOT / "models"
    return World(models, questions, _negated(models / "qlora", home / "negated"))


def _negated(adapter: Path, out: Path) -> Path:
    """The adapter with the sign of its updates turned."""
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(adapter, out)
    weights = load_file(out / "adapter_model.safetensors")
    turned = {name: -value if "lora_B" in name else value for name, value in weights.items()}
    save_file(turned, out / "adapter_model.safetensors", metadata={"format": "pt"})
    return out


def ask(model: str, question: str, *, n_new: int = N_NEW) -> Ask:
    """A greedy request."""
    return Ask(model, tuple(chat_template.ask(question)), n_new, 0.0, 1.0, 0)


NAMES = (BASE, ADAPTER, OTHER)
"""The base and two adapters on it."""

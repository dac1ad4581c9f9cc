"""A Modelfile whose template renders as the tokenizer's, token by token."""

from pathlib import Path
from typing import Any

import pytest

from tests.export import fine_tunes
from titer.config import GenerationSettings
from titer.errors import DataError
from titer.export import go_template, ollama
from titer.modeling import chat_template, loading

LLAMA = (
    "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m['role'] }}\n\n{{ m['content'] | trim }}"
    "<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n\n{% endif %}"
)
DEFAULT_SYSTEM = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou help.<|im_end|>\n{% endif %}"
    + chat_template.PLAIN_TEMPLATE
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} "
    "[/INST]{% elif m['role'] == 'assistant' %} {{ m['content'] }}{{ eos_token }}{% else %}"
    "{{ raise_exception('no system') }}{% endif %}{% endfor %}"
)
R1 = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}{{ m['content'] }}"
    "{% elif m['role'] == 'user' %}<User>{{ m['content'] }}{% else %}<Assistant>"
    "{{ m['content'].split('</think>')[-1] }}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<Assistant><think>\n{% endif %}"
)
NUMBERED = "{% for m in messages %}{{ loop.index }}. {{ m['content'] }}\n{% endfor %}"
LAST_ONLY = "{{ messages[-1]['content'] }}"
TEMPLATES = {
    "ChatML": chat_template.PLAIN_TEMPLATE, "Llama 3": LLAMA, "default system": DEFAULT_SYSTEM,
    "Mistral": MISTRAL, "R1": R1,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: Any) -> Path:
    return fine_tunes.base("Qwen3", tmp_path_factory.mktemp("model") / "base")


@pytest.fixture
def tokenizer(folder: Path) -> Any:
    found = loading.load_tokenizer(folder)
    found.bos_token = "<|endoftext|>"
    return found


@pytest.mark.parametrize("think", ["keep", "empty", "none"])
@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("adds_bos", [True, False], ids=["begin token added", "as printed"])
def test_the_template_renders_every_conversation_token_by_token(
    name: str, think: Any, adds_bos: bool, tokenizer: Any
) -> None:
    tokenizer.chat_template = TEMPLATES[name]
    text = ollama.template(tokenizer, think, adds_bos=adds_bos)
    given = [r for r in ollama.ROLES if "s" not in r or name != "Mistral"]
    assert len(given) == (3 if name == "Mistral" else 6)
    for roles in given:
        messages = ollama.conversation(roles)
        rendered = chat_template.render_prompt(tokenizer, messages, think)
        begins = tokenizer.bos_token if adds_bos and "bos_token" in TEMPLATES[name] else ""
        found = begins + go_template.render(text, messages)
        ids = [chat_template.encode_prompt(tokenizer, one) for one in (found, rendered)]
        assert ids[0] == ids[1]


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (NUMBERED, "cannot be written as a Go template: "),
        (LAST_ONLY, "does not print every message in its turn"),
        ("{{ '{{' }}" + chat_template.PLAIN_TEMPLATE, "which a Modelfile cannot hold"),
        (None, "the tokenizer has no chat template"),
    ],
    ids=["numbered", "last message only", "braces", "none"],
)
def test_a_template_that_go_cannot_render_is_refused(
    template: str | None, text: str, tokenizer: Any
) -> None:
    tokenizer.chat_template = template
    with pytest.raises(DataError) as caught:
        ollama.template(tokenizer, "none", adds_bos=False)
    assert text in str(caught.value)


def test_a_branch_is_taken_by_role_alone() -> None:
    text = (
        '{{ if ne (index .Messages 0).Role "system" }}O{{ end }}{{ range .Messages }}'
        '{{ if eq .Role "system" }}S{{ .Content }}{{ else if eq .Role "user" }}U{{ .Content }};'
        "{{ end }}|{{ end }}E"
    )
    user, other = {"role": "user", "content": "{{ end }}"}, {"role": "tool", "content": "x"}
    system = {"role": "system", "content": "s"}
    assert go_template.render(text, [user, other]) == "OU{{ end }};||E"
    assert go_template.render(text, [system, user]) == "Ss|U{{ end }};|E"


@pytest.mark.parametrize(
    "text",
    ["{{ .System }}", "{{ range .Messages }}{{ .Role }}{{ end }}", "{{ range .Messages }}x"],
    ids=["another field", "another field of a message", "an open block"],
)
def test_what_the_evaluator_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(DataError, match=r"subset of Go templates|no \{\{ end \}\}"):
        go_template.render(text, [{"role": "user", "content": "x"}])


def test_the_modelfile_says_what_was_evaluated(folder: Path) -> None:
    settings = GenerationSettings(temperature=0.6, top_p=0.95, samples=1, max_new_tokens=96)
    parameters = ollama.evaluated(settings, seed=42, max_length=384)
    text = ollama.for_model(
        folder, "none", adapter=True, parameters=parameters, system="Be brief.", licence="Free.\n"
    )
    assert text == (
        "FROM ./base.gguf\nADAPTER ./adapter.gguf\n"
        'TEMPLATE """{{ range .Messages }}{{ if eq .Role "system" }}<|im_start|>system\n'
        '{{ .Content }}<|im_end|>\n{{ else if eq .Role "user" }}<|im_start|>user\n'
        '{{ .Content }}<|im_end|>\n{{ else if eq .Role "assistant" }}<|im_start|>assistant\n'
        '{{ .Content }}<|im_end|>\n{{ end }}{{ end }}<|im_start|>assistant\n"""\n'
        "PARAMETER temperature 0.6\nPARAMETER top_p 0.95\nPARAMETER top_k 0\nPARAMETER min_p 0.0\n"
        "PARAMETER repeat_penalty 1.0\nPARAMETER seed 42\nPARAMETER num_predict 96\n"
        'PARAMETER num_ctx 480\nPARAMETER stop "<|im_end|>"\n'
        'SYSTEM """Be brief."""\nLICENSE """Free."""\n'
    )


def test_a_text_that_would_end_its_quotes_is_refused(folder: Path) -> None:
    parameters = {"num_ctx": 64}
    with pytest.raises(DataError, match="which would end it"):
        ollama.for_model(
            folder, "none", adapter=False, parameters=parameters, system='a """ b', licence="x"
        )

"""GGUF files of models and adapters, read back by the real llama.cpp."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests import small_models, trees
from tests.export import fine_tunes
from titer import files
from titer.errors import LoadError, NotFound
from titer.export import gguf_model, gguf_vocabulary, parity
from titer.export.gguf_vocabulary import NFC, PRE_TOKENIZERS
from titer.export.llama_cpp import Engine
from titer.modeling import loading
from titer.modeling.next_tokens import NextTokens

WRITTEN = ("Llama", "Mistral", "Qwen2", "Qwen3")
CONTEXT = 256
N_LETTERS = 5 + 256
"""Special tokens and bytes, the first ids of the small tokenizers."""
ENDS = {2}
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
}  # fmt: skip

YARN = {
    "rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0,
    "original_max_position_embeddings": 32,
}  # fmt: skip

OTHER_PATTERN = {
    "type": "Sequence",
    "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": "\\d+"}, "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
    ],
}

DIGITS = {
    "type": "Sequence",
    "pretokenizers": [
        {"type": "Digits", "individual_digits": True},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
    ],
}


@pytest.fixture(scope="module")
def bases(tmp_path_factory: Any) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("bases")
    wide = {"Mistral": {"sliding_window": 128}}  # room for the longest prompt and its answer
    return {name: fine_tunes.base(name, home / name, **wide.get(name, {})) for name in WRITTEN}


def in_process(folder: Path, adapter: Path | None = None) -> NextTokens:
    model = loading.load_model(folder, dtype="float32", device="cpu")
    return NextTokens(loading.load_adapter(model, adapter) if adapter else model)


def compared(model: NextTokens, folder: Path, engine: Engine) -> parity.Parity:
    references = parity.references(model, fine_tunes.prompts(folder), ENDS)
    assert len({tuple(one.answer) for one in references}) > 2, "answers hardly depend on prompts"
    return parity.compare(references, engine, ENDS)


@pytest.mark.parametrize("name", WRITTEN)
def test_llama_cpp_answers_as_transformers(
    name: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    path = gguf_model.write_model(bases[name], tmp_path / "m.gguf", number_format="f16")
    found = compared(in_process(bases[name]), bases[name], Engine(path, context=CONTEXT, end=2))
    assert found.same_answers == found.n_prompts == len(fine_tunes.QUESTIONS)
    assert found.top1_agreement == 1.0
    assert found.max_kl < 1e-3


@pytest.mark.parametrize("name", WRITTEN)
def test_llama_cpp_splits_texts_as_the_tokenizer(
    name: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    path = gguf_model.write_model(bases[name], tmp_path / "m.gguf", number_format="f16")
    engine, tokenizer = Engine(path, context=CONTEXT, end=2), loading.load_tokenizer(bases[name])
    for text in fine_tunes.TEXTS:
        assert engine.tokenize(text) == tokenizer(text, add_special_tokens=False)["input_ids"]


def splitting(model: dict[str, Any], pattern: str | None, *, whole_words: bool) -> dict[str, Any]:
    """Entries of a tokenizer.json whose few merges show how the text was split before them."""
    letters = {token: i for token, i in model["vocab"].items() if i < N_LETTERS}
    pairs = [["1", "2"], ["3", "4"], ["12", "34"], ["(", "I"], ["Ċ", "Ċ"], ["'", "T"], ["Ġ", "Ġ"]]
    words = [*("".join(pair) for pair in pairs), "lupus"]
    vocab = letters | {word: N_LETTERS + i for i, word in enumerate(words)}
    byte_level = {
        "type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False,
        "use_regex": pattern is None,
    }  # fmt: skip
    split = {
        "type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False
    }  # fmt: skip
    parts = [byte_level] if pattern is None else [split, byte_level]
    return {
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": parts},
        "normalizer": NFC,
        "model": model | {"vocab": vocab, "merges": pairs, "ignore_merges": whole_words},
    }


def test_each_known_way_of_splitting_is_llama_cpps(bases: dict[str, Path], tmp_path: Path) -> None:
    model = files.read_json(bases["Qwen3"] / "tokenizer.json")["model"]
    texts = ["x(IgG) 12345 don'T\n\n  lupus", *fine_tunes.TEXTS]
    found = {}
    for (pattern, whole_words), name in PRE_TOKENIZERS.items():
        values = splitting(model, pattern, whole_words=whole_words)
        folder = edited(bases["Qwen3"], tmp_path / name, "tokenizer.json", **values)
        assert gguf_vocabulary.read(folder, small_models.VOCAB).pre == name
        path = gguf_model.write_model(folder, tmp_path / f"{name}.gguf", number_format="f16")
        engine, tokenizer = Engine(path, context=CONTEXT, end=2), loading.load_tokenizer(folder)
        ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        assert [engine.tokenize(text) for text in texts] == ids
        found[name] = tuple(ids[0])
    assert len(set(found.values())) == len(PRE_TOKENIZERS), "the texts do not tell them apart"


def sentencepiece(folder: Path) -> None:
    """Give a model folder a tokenizer of Mistral 7B's form, trained on the pretraining text."""
    from tokenizers import Tokenizer, decoders, models, normalizers, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<unk>", "<s>", "</s>"]
    as_bytes = [f"<0x{byte:02X}>" for byte in range(256)]
    trained = Tokenizer(models.BPE())
    space = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    trained.normalizer = normalizers.Sequence(space)
    trainer = trainers.BpeTrainer(
        vocab_size=700, max_token_length=8, initial_alphabet=["\n"], show_progress=False
    )
    prose = (small_models.ROOT / "data" / "pretraining" / "prose.txt").read_text().splitlines()
    trained.train_from_iterator([line for line in prose if line][:60], trainer)
    pieces = sorted(trained.get_vocab().items(), key=lambda pair: pair[1])
    vocab = {t: i for i, t in enumerate([*special, *as_bytes, *(t for t, _ in pieces)])}
    # every way in which a piece can be put together, as Mistral's own file lists them
    merges = [
        (token[:cut], token[cut:])
        for token, _ in pieces
        for cut in range(1, len(token))
        if token[:cut] in vocab and token[cut:] in vocab
    ]
    model = models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    made = Tokenizer(model)
    made.normalizer = normalizers.Sequence(space)
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback()])
    whole = PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    whole.chat_template = "{% for m in messages %}[INST] {{ m['content'] }} [/INST]{% endfor %}"
    whole.save_pretrained(folder)


def test_a_tokenizer_of_sentencepieces_kind_is_llama_cpps(
    bases: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(bases["Mistral"], tmp_path / "m"))
    sentencepiece(folder)
    assert gguf_vocabulary.read(folder, small_models.VOCAB).model == "llama"
    path = gguf_model.write_model(folder, tmp_path / "m.gguf", number_format="f16")
    engine, tokenizer = Engine(path, context=CONTEXT, end=2), loading.load_tokenizer(folder)
    prose = (small_models.ROOT / "data" / "pretraining" / "prose.txt").read_text()
    texts = [*fine_tunes.TEXTS, *fine_tunes.QUESTIONS, *prose.split("\n\n")[60:80], "[INST] a</s>b"]
    for text in texts:
        assert engine.tokenize(text) == tokenizer(text, add_special_tokens=False)["input_ids"]
    found = compared(in_process(folder), folder, engine)
    assert found.same_answers == found.n_prompts


@pytest.mark.parametrize("name", WRITTEN)
def test_an_adapter_beside_its_base_answers_as_in_peft(
    name: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    tuned = fine_tunes.adapter(bases[name], tmp_path / "adapter", use_rslora=name == "Qwen3")
    base = gguf_model.write_model(bases[name], tmp_path / "base.gguf", number_format="f16")
    low_rank = gguf_model.write_adapter(tuned, bases[name], tmp_path / "adapter.gguf")
    engine = Engine(base, adapter=low_rank, context=CONTEXT, end=2)
    found = compared(in_process(bases[name], tuned), bases[name], engine)
    assert found.same_answers == found.n_prompts
    assert found.max_kl < 1e-3
    plain = compared(in_process(bases[name]), bases[name], engine)
    assert plain.mean_kl > 0.01, "the adapter changes nothing"


def test_the_same_model_gives_the_same_bytes(bases: dict[str, Path], tmp_path: Path) -> None:
    tuned = fine_tunes.adapter(bases["Qwen3"], tmp_path / "adapter")
    one, other = tmp_path / "one", tmp_path / "other"
    for out in (one, other):
        for number_format in gguf_model.TYPES:
            path = out / f"{number_format}.gguf"
            gguf_model.write_model(bases["Qwen3"], path, number_format=number_format)
        gguf_model.write_adapter(tuned, bases["Qwen3"], out / "adapter.gguf")
    assert trees.differences(one, other) == []
    assert len(list(one.iterdir())) == len(gguf_model.TYPES) + 1


@pytest.mark.parametrize(
    ("number_format", "largest"),
    [("f32", 1e-6), ("f16", 1e-4), ("bf16", 1e-2), ("q8_0", 1e-2), ("q5_0", 0.5), ("q4_0", 1.0)],
)
def test_each_number_format_is_read_and_differs_as_much_as_it_must(
    number_format: str, largest: float, bases: dict[str, Path], tmp_path: Path
) -> None:
    path = gguf_model.write_model(bases["Qwen3"], tmp_path / "m.gguf", number_format=number_format)
    found = compared(
        in_process(bases["Qwen3"]), bases["Qwen3"], Engine(path, context=CONTEXT, end=2)
    )
    assert found.mean_kl < largest
    if number_format not in {"f32", "f16"}:
        assert found.mean_kl > 1e-6, "nothing was rounded"


@pytest.mark.parametrize(
    ("rope", "config"),
    [
        ("llama3", LLAMA3),
        ("linear", {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}),
        ("yarn", YARN),
        ("yarn with its own factor", YARN | {"attention_factor": 1.0}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_scaled_rotation_is_the_same(rope: str, config: dict[str, Any], tmp_path: Path) -> None:
    name = "Llama" if rope == "llama3" else "Qwen3"
    folder = fine_tunes.base(name, tmp_path / "base", rope_parameters=config)
    path = gguf_model.write_model(folder, tmp_path / "m.gguf", number_format="f32")
    found = compared(in_process(folder), folder, Engine(path, context=CONTEXT, end=2))
    assert found.max_kl < 1e-5


def test_biases_are_rotated_as_their_weights(tmp_path: Path) -> None:
    folder = fine_tunes.base("Llama", tmp_path / "base", attention_bias=True)
    path = gguf_model.write_model(folder, tmp_path / "m.gguf", number_format="f32")
    found = compared(in_process(folder), folder, Engine(path, context=CONTEXT, end=2))
    assert found.max_kl < 1e-5


def with_tensors(folder: Path, out: Path, change: Any) -> Path:
    """A copy of a model folder with other tensors."""
    from safetensors.numpy import load_file, save_file

    shutil.copytree(folder, out)
    tensors = load_file(out / "model.safetensors")
    change(tensors)
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    return out


def test_an_embedding_that_is_the_output_layer_too_is_written_once(
    bases: dict[str, Path], tmp_path: Path
) -> None:
    folder = with_tensors(bases["Qwen3"], tmp_path / "m", lambda all_: all_.pop("lm_head.weight"))
    with pytest.raises(LoadError, match=r"no lm_head\.weight, and its embedding is not"):
        gguf_model.check(folder)
    config = files.read_json(folder / "config.json")
    files.write_json(folder / "config.json", config | {"tie_word_embeddings": True})
    path = gguf_model.write_model(folder, tmp_path / "m.gguf", number_format="f32")
    found = compared(in_process(folder), folder, Engine(path, context=CONTEXT, end=2))
    assert found.max_kl < 1e-5


def test_weights_in_bfloat16_and_in_several_files_are_read(
    bases: dict[str, Path], tmp_path: Path
) -> None:
    model = loading.load_model(bases["Qwen3"], dtype="bfloat16", device="cpu")
    for name, size in (("one", "1GB"), ("many", "200KB")):
        model.save_pretrained(tmp_path / name, max_shard_size=size)
        for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
            shutil.copy(bases["Qwen3"] / file, tmp_path / name)
        path = tmp_path / f"{name}.gguf"
        gguf_model.write_model(tmp_path / name, path, number_format="f32")
    assert len(list((tmp_path / "many").glob("*.safetensors"))) > 1
    folder = tmp_path / "one"
    for name in ("one", "many"):
        engine = Engine(tmp_path / f"{name}.gguf", context=CONTEXT, end=2)
        assert compared(in_process(folder), folder, engine).max_kl < 1e-5


def edited(folder: Path, out: Path, file: str, **values: Any) -> Path:
    shutil.copytree(folder, out)
    files.write_json(out / file, files.read_json(out / file) | values)
    return out


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"architectures": ["PhiForCausalLM"]}, "Qwen3ForCausalLM, not for PhiForCausalLM. "),
        ({"hidden_act": "gelu"}, "hidden_act is gelu; llama.cpp has silu here. "),
        ({"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1.0}}, "rope_type is dynamic"),
        ({"rope_parameters": YARN | {"beta_fast": 8}}, "its rotation's beta_fast is 8"),
        ({"rope_parameters": {"rope_type": "linear", "rope_theta": 1.0}}, "rotation is None"),
        ({"rms_norm_eps": None}, "config.json: rms_norm_eps is None, "),
        ({"architectures": {}}, "Qwen3ForCausalLM, not for none. "),
        ({"vocab_size": 100}, "has no row in an embedding of 100 rows"),
    ],
    ids=["architecture", "activation", "rotation", "rotation's key", "rotation's factor", "size",
         "no architecture", "vocabulary"],
)  # fmt: skip
def test_what_is_not_written_is_refused_in_one_line(
    values: dict[str, Any], text: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    folder = edited(bases["Qwen3"], tmp_path / "odd", "config.json", **values)
    with pytest.raises(LoadError) as caught:
        gguf_model.check(folder)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "vocab_size" in values or "python convert_hf_to_gguf.py FOLDER" in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("pre_tokenizer", {"type": "Whitespace"}, "is no byte-level BPE but BPE"),
        ("pre_tokenizer", OTHER_PATTERN, r"no known name in llama.cpp (\d+)"),
        ("pre_tokenizer", DIGITS, "no known name in llama.cpp (Digits then ByteLevel)"),
        ("normalizer", {"type": "Lowercase"}, "no known name in llama.cpp (None)"),
    ],
    ids=["no byte-level", "another pattern", "digits", "lower case"],
)
def test_a_tokenizer_without_a_name_in_llama_cpp_is_refused(
    key: str, value: Any, text: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    folder = edited(bases["Qwen3"], tmp_path / "odd", "tokenizer.json", **{key: value})
    with pytest.raises(LoadError) as caught:
        gguf_model.check(folder)
    assert text in str(caught.value)


def test_a_tensor_that_llama_cpp_lacks_is_refused(bases: dict[str, Path], tmp_path: Path) -> None:
    def add(tensors: dict[str, Any]) -> None:
        tensors["model.layers.0.mlp.router.weight"] = tensors["model.norm.weight"]

    folder = with_tensors(bases["Qwen3"], tmp_path / "odd", add)
    with pytest.raises(LoadError, match=r"mlp\.router\.weight is no part of qwen3 in llama\.cpp"):
        gguf_model.check(folder)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"use_dora": True}, "use_dora has no place in a GGUF adapter. Export the merged model"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save has no place"),
    ],
    ids=["dora", "whole modules"],
)
def test_an_adapter_that_is_more_than_low_rank_pairs_is_refused(
    options: dict[str, Any], text: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    tuned = fine_tunes.adapter(bases["Qwen3"], tmp_path / "adapter", **options)
    with pytest.raises(LoadError) as caught:
        gguf_model.write_adapter(tuned, bases["Qwen3"], tmp_path / "adapter.gguf")
    assert text in str(caught.value)
    assert not (tmp_path / "adapter.gguf").exists()


def test_a_pickled_adapter_is_not_read(bases: dict[str, Path], tmp_path: Path) -> None:
    tuned = fine_tunes.adapter(bases["Qwen3"], tmp_path / "adapter")
    (tuned / "adapter_model.safetensors").rename(tuned / "adapter_model.bin")
    with pytest.raises(NotFound, match=r"no adapter_model\.safetensors"):
        gguf_model.write_adapter(tuned, bases["Qwen3"], tmp_path / "adapter.gguf")


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(LoadError, match=r"llama\.cpp does not load it"):
        Engine(path, context=CONTEXT, end=2)

"""Loading: safetensors only, one clear line for each unusable folder, exact 4-bit arithmetic."""

import re
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from titer import files
from titer.config import Device, Dtype
from titer.errors import LoadError, NotFound
from titer.modeling import loading, weights


def test_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"no such model folder"):
        loading.check_model_folder(tmp_path / "absent")


def test_a_folder_without_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"no config\.json"):
        loading.check_model_folder(tmp_path)


def test_a_pickled_model_is_refused_unopened(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(LoadError, match=r"only as a pickle \(pytorch_model\.bin\)"):
        loading.load_model(tmp_path, dtype=Dtype.float32, device=Device.cpu)


def test_a_damaged_configuration_is_one_line(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    (folder / "config.json").write_text('{"model_type": "no-such-architecture"}')
    with pytest.raises(LoadError) as caught:
        loading.load_model(folder, dtype=Dtype.float32, device=Device.cpu)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("lose", "said"),
    [
        pytest.param(
            r"^model\.layers\.1\.", "weights are missing, first model.layers.1.", id="layer"
        ),
        pytest.param(None, "weights of layers that config.json does not have", id="configuration"),
    ],
)
def test_weights_of_another_depth_are_refused(
    tiny_model: Path, tmp_path: Path, lose: str | None, said: str
) -> None:
    """transformers would draw the absent ones anew on every load, and only print so."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    if lose is None:
        config = files.read_json(folder / "config.json")
        layers = {"num_hidden_layers": 1, "layer_types": config["layer_types"][:1]}
        files.write_json(folder / "config.json", config | layers)
    else:
        (path,) = folder.glob("*.safetensors")
        kept = {k: v for k, v in load_file(path).items() if not re.search(lose, k)}
        save_file(kept, path, {"format": "pt"})
    for quantize in (False, True):
        with pytest.raises(LoadError, match=said):
            loading.load_model(folder, dtype=Dtype.float32, device=Device.cpu, quantize=quantize)


def test_of_several_chat_templates_the_default_one_is_taken(
    tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    tokenizer = loading.load_tokenizer(folder)
    one = tokenizer.chat_template
    tokenizer.chat_template = {"default": one, "tools": "{{ tools }}"}
    tokenizer.save_pretrained(folder)
    assert loading.load_tokenizer(folder).chat_template == one


def test_an_adapter_folder_without_weights_is_named(tiny_model: Path, tmp_path: Path) -> None:
    model = loading.load_model(tiny_model, dtype=Dtype.float32, device=Device.cpu)
    with pytest.raises(NotFound, match=r"no adapter_model\.safetensors"):
        loading.load_adapter(model, tmp_path)


def test_parameters_are_counted_alike_from_headers_and_in_memory(tiny_model: Path) -> None:
    model = loading.load_model(tiny_model, dtype=Dtype.float32, device=Device.cpu)
    assert weights.count_parameters(tiny_model) == loading.n_parameters(model)[1]


def test_nf4_gradients_after_an_evaluation_equal_those_of_the_dequantised_weights(
    tiny_model: Path,
) -> None:
    """bitsandbytes 0.50.2 repacks 4-bit weights in evaluation mode and loses the gradient."""
    import torch
    from bitsandbytes.functional import dequantize_4bit

    model = loading.load_model(tiny_model, dtype=Dtype.float32, device=Device.cpu, quantize=True)
    layer = model.model.layers[0].mlp.down_proj
    plain = dequantize_4bit(layer.weight.data, layer.weight.quant_state).float()
    inputs = torch.randn(3, plain.shape[1], generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        layer.eval()(inputs)
    layer.train()
    one, other = inputs.clone().requires_grad_(), inputs.clone().requires_grad_()
    layer(one).square().sum().backward()
    torch.nn.functional.linear(other, plain).square().sum().backward()
    torch.testing.assert_close(one.grad, other.grad, rtol=1e-5, atol=1e-6)


def test_without_the_fix_the_gradient_is_wrong_or_the_cpu_never_repacks(tiny_model: Path) -> None:
    """Guards the test above: where the CPU takes the repacking path, the fix is what saves it."""
    import torch

    model = loading.load_model(tiny_model, dtype=Dtype.float32, device=Device.cpu, quantize=True)
    layer = model.model.layers[0].mlp.down_proj
    assert layer.support_avx512bf16_for_cpu is False
    assert torch.isfinite(layer(torch.zeros(1, layer.in_features))).all()

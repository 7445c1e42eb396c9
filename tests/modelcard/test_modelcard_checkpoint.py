"""Weights find their way into a network whatever wraps them, and what does not fit is a table."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from matxai.errors import ModelError
from matxai.modelcard import load_model
from matxai.modelcard.checkpoint import read_weights

pytestmark = pytest.mark.usefixtures("toy_family")


def wrapped(state):
    module = {f"module.{key}": value for key, value in state.items()}
    return {
        "plain": state,
        "state_dict": {"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}},
        "model": {"model": state, "args": {"depth": 3}},
        "model_state_dict": {"model_state_dict": state, "loss": 0.5},
        "nested": {"checkpoint": 1, "state_dict": {"model": state}},
        "data parallel": module,
        "data parallel in a trainer": {"state_dict": module},
        "compiled": {f"_orig_mod.{key}": value for key, value in state.items()},
        "compiled data parallel": {f"_orig_mod.module.{key}": value for key, value in state.items()},
        "lightning": {"state_dict": {f"model.{key}": value for key, value in state.items()}, "epoch": 1},
        "lightning with a loss": {
            "state_dict": {"loss.weight": torch.ones(3)} | {f"model.{key}": value for key, value in state.items()}
        },
        "ema": {"ema": state},
    }


WAYS = list(wrapped({}))


@pytest.mark.parametrize("way", [w for w in WAYS if w != "lightning with a loss"])
@pytest.mark.parametrize("old_format", [False, True])
def test_wrapped_checkpoints_load_and_answer_alike(tmp_path, network, way, old_format):
    path = tmp_path / "w.pth"
    torch.save(wrapped(network.state_dict())[way], path, _use_new_zipfile_serialization=not old_format)
    model = load_model(path, arch="toy:net")
    x = torch.rand(2, 2, 9, 9)
    assert torch.equal(model.module(x), network(x))
    assert len(model.classes) == 3
    assert model.channels == 2


def test_keys_beside_the_network_are_left_out_and_named(tmp_path, network):
    path = tmp_path / "w.pth"
    torch.save(wrapped(network.state_dict())["lightning with a loss"], path)
    model = load_model(path, arch="toy:net")
    assert torch.equal(model.module.head.weight, network.head.weight)
    assert "beside the network that was left out: loss.weight" in model.assumptions[0]


def test_a_table_lists_missing_unexpected_and_mismatched_keys(tmp_path, network):
    state = network.state_dict()
    state["extra.weight"] = torch.zeros(2, 5)
    state["conv.bias"] = torch.zeros(7)
    del state["norm.weight"]
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(ModelError) as caught:
        load_model(tmp_path / "w.safetensors", arch="toy:net")
    lines = [line.split() for line in str(caught.value).splitlines()[1:]]
    assert lines == [
        ["key", "architecture", "file"],
        ["missing", "norm.weight", "(4)"],
        ["unexpected", "extra.weight", "(2,", "5)"],
        ["mismatched", "conv.bias", "(4)", "(7)"],
    ]


def test_batchnorm_counters_may_be_missing(tmp_path, network):
    state = network.state_dict()
    del state["norm.num_batches_tracked"]
    save_file(state, tmp_path / "w.safetensors")
    x = torch.rand(1, 2, 9, 9)
    assert torch.equal(load_model(tmp_path / "w.safetensors", arch="toy:net").module(x), network(x))


@pytest.mark.parametrize("content", [{"epoch": 3}, [1, 2], {"a": {"b": 1}}, torch.zeros(3)])
def test_a_checkpoint_without_a_state_dict_says_what_it_holds(tmp_path, content):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(ModelError, match="holds no state dict: found"):
        read_weights(tmp_path / "w.pt")


def test_parameters_and_half_precision_are_tensors_like_any(tmp_path, network):
    state = {
        key: torch.nn.Parameter(value.half()) if value.is_floating_point() else value
        for key, value in network.state_dict().items()
    }
    torch.save(state, tmp_path / "w.pt")
    model = load_model(tmp_path / "w.pt", arch="toy:net")
    assert all(p.dtype == torch.float32 for p in model.module.parameters())
    assert torch.allclose(model.module.head.weight, network.head.weight, atol=1e-3)

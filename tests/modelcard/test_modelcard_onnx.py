"""ONNX files: run by onnxruntime, explained as black boxes, and read before they are loaded."""

from __future__ import annotations

import json
import sys

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import matxai
from matxai.cli.main import main
from matxai.errors import CardError, FileError, MethodError, MissingDependencyError, ModelError, UnsafeFileError
from matxai.modelcard import describe, init_card, load_model

RNG = np.random.default_rng(0)
KERNEL = RNG.standard_normal((4, 2, 3, 3)).astype(np.float32)
HEAD = RNG.standard_normal((4, 3)).astype(np.float32)


def network() -> nn.Module:
    """The same network in PyTorch."""
    conv, head = nn.Conv2d(2, 4, 3, bias=False), nn.Linear(4, 3, bias=False)
    conv.weight.data, head.weight.data = torch.from_numpy(KERNEL), torch.from_numpy(HEAD.T.copy())
    return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head).eval()


def made(
    shape=("batch", 2, "height", "width"),
    *,
    last=False,
    type_=TensorProto.FLOAT,
    domain="",
    op="Relu",
    extra=(),
    kernel=KERNEL,
) -> onnx.ModelProto:
    nodes = [helper.make_node("Transpose", ["x"], ["turned"], perm=[0, 3, 1, 2])] if last else []
    nodes += [
        helper.make_node("Conv", ["turned" if last else "x", "kernel"], ["c"]),
        helper.make_node(op, ["c"], ["r"], domain=domain),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "head"], ["scores"]),
    ]
    inputs = [helper.make_tensor_value_info(n, type_, s) for n, s in (("x", shape), *extra)]
    graph = helper.make_graph(
        nodes, "net", inputs, [helper.make_tensor_value_info("scores", type_, [shape[0], 3])],
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(HEAD, "head")],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


@pytest.fixture
def saved(tmp_path):
    def save(**options):
        onnx.save(made(**options), tmp_path / "net.onnx")
        return tmp_path / "net.onnx"

    return save


def test_a_bare_file_is_a_model_and_gives_the_networks_maps(saved):
    model = load_model(saved())
    assert (model.kind, model.channels, model.size, model.batch) == ("2d", 2, None, None)
    assert model.classes == ("0", "1", "2")
    assert model.black_box
    assert model.architecture == "black box (ONNX)"
    assert "predictions only" in describe(model)["black_box"]
    assert describe(load_model(network(), channels=2))["black_box"] is None
    x = torch.rand(2, 2, 14, 12, generator=torch.Generator().manual_seed(1))
    for name in ("occlusion", "kernel_shap"):
        got = matxai.attribute(model.module, x, name, 1, budget=40)[name]
        want = matxai.attribute(network(), x, name, 1, budget=40)[name]
        assert torch.allclose(got, want, atol=2e-4 * float(want.abs().max()))
    words = r"'grad_cam' needs the layers of a PyTorch model; the ONNX model 'net.onnx' is a black box"
    with pytest.raises(MethodError, match=words):
        matxai.attribute(model.module, x, "grad_cam")


@pytest.mark.parametrize("batch", [1, 4])
def test_a_fixed_batch_is_filled_up_and_a_fixed_size_is_known(saved, batch):
    model = load_model(saved(shape=(batch, 2, 14, 12)))
    assert model.size == (14, 12)
    assert model.batch is None  # matxai fills batches up
    x = torch.rand(7, 2, 14, 12, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(model.module(x), network()(x), atol=1e-5)
    with pytest.raises(ModelError, match=r"net\.onnx' failed for inputs of shape"):
        model.module(x[:, :, :10])


def test_channels_last_is_turned(tmp_path):
    kernel = RNG.standard_normal((4, 3, 3, 3)).astype(np.float32)
    onnx.save(made(("n", 14, 12, 3), last=True, kernel=kernel), tmp_path / "net.onnx")
    model = load_model(tmp_path / "net.onnx")
    assert (model.channels, model.size) == (3, (14, 12))
    assert any("channels last" in sentence for sentence in model.assumptions)
    conv = nn.Conv2d(3, 4, 3, bias=False)
    conv.weight.data = torch.from_numpy(kernel)
    x = torch.rand(2, 3, 14, 12)
    assert torch.allclose(model.module(x), nn.Sequential(conv, *network()[1:])(x), atol=1e-5)


def test_a_card_names_it_and_init_writes_one(saved, tmp_path):
    folder = init_card(saved(), out=tmp_path / "card", classes=["crack", "pore", "sound"], mean=[0.5], std=[0.2])
    model = load_model(folder)
    assert model.classes == ("crack", "pore", "sound")
    assert model.black_box
    with pytest.raises(CardError, match="2 classes"):
        load_model(folder, classes=["a", "b"])
    with pytest.raises(ModelError, match="its own architecture"):
        load_model(folder, arch="toy:net")


def test_weights_beside_the_file_are_taken_along_and_none_from_elsewhere(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    onnx.save(made(), inside / "net.onnx", save_as_external_data=True, location="net.data", size_threshold=0)
    x = torch.rand(1, 2, 9, 9)
    assert torch.allclose(load_model(inside / "net.onnx").module(x), network()(x), atol=1e-5)
    card = init_card(inside / "net.onnx", out=tmp_path / "card.matxai")
    assert torch.allclose(load_model(card).module(x), network()(x), atol=1e-5)
    (inside / "net.data").rename(tmp_path / "net.data")
    with pytest.raises(FileError, match=r"'net\.data', which is not beside it"):
        load_model(inside / "net.onnx")
    outside = onnx.load(inside / "net.onnx", load_external_data=False)
    for tensor in outside.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../net.data"
    (inside / "net.onnx").write_bytes(outside.SerializeToString())
    with pytest.raises(UnsafeFileError, match=r"'../net.data', outside of its folder; nothing was loaded"):
        load_model(inside / "net.onnx")
    (inside / "link.data").symlink_to(tmp_path / "net.data")
    for tensor in outside.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "link.data"
    (inside / "net.onnx").write_bytes(outside.SerializeToString())
    with pytest.raises(UnsafeFileError, match="outside of its folder"):
        load_model(inside / "net.onnx")


def test_tensors_hidden_in_attributes_are_found_as_well(tmp_path):
    model = made()
    hidden = numpy_helper.from_array(KERNEL, "value")
    hidden.ClearField("raw_data")
    hidden.data_location = TensorProto.EXTERNAL
    entry = hidden.external_data.add()
    entry.key, entry.value = "location", "/etc/hostname"
    inner = helper.make_graph([helper.make_node("Constant", [], ["k"], value=hidden)], "inner", [], [])
    model.graph.node.append(helper.make_node("If", ["c"], ["k"], then_branch=inner, else_branch=inner))
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(UnsafeFileError, match="'/etc/hostname', outside of its folder"):
        load_model(tmp_path / "net.onnx")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"domain": "my.company", "op": "Magic"}, UnsafeFileError, "operators of 'my.company'.*matxai loads none"),
        ({"op": "PythonOp", "domain": "com.microsoft"}, UnsafeFileError, "operators that run Python"),
        ({"op": "NoSuchOperator"}, FileError, "cannot be loaded by onnxruntime"),
        ({"extra": (("y", ["batch", 2]),)}, ModelError, "takes 2 inputs \\('x', 'y'\\)"),
        ({"shape": ("batch", 2)}, Exception, "onnx"),
    ],
)
def test_what_cannot_be_explained_is_said(saved, options, error, words):
    with pytest.raises(error, match=words):
        load_model(saved(**options))


def test_a_file_that_is_cut_off_is_said(saved, tmp_path):
    whole = saved().read_bytes()
    for length in (len(whole) - 7, len(whole) // 2, 40):
        (tmp_path / "cut.onnx").write_bytes(whole[:length])
        with pytest.raises(FileError):
            load_model(tmp_path / "cut.onnx")


def test_without_onnxruntime_the_command_says_what_to_install(saved, monkeypatch, capsys):
    path = saved()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'matxai\[onnx\]'"):
        load_model(path)
    assert main(["model", "show", str(path)]) == 2
    assert "pip install 'matxai[onnx]'" in capsys.readouterr().err


def test_the_commands_show_check_and_explain_take_it(saved, tmp_path, capsys):
    from PIL import Image

    path = saved(shape=("batch", 2, 20, 16))
    assert main(["model", "show", str(path), "--json"]) == 0
    assert "predictions only" in json.loads(capsys.readouterr().out)["black_box"]
    assert main(["model", "check", str(path)]) == 0
    assert "has no layers" in capsys.readouterr().out
    Image.fromarray((RNG.random((20, 16)) * 255).astype(np.uint8)).save(tmp_path / "a.png")
    asked = ["explain", str(path), str(tmp_path / "a.png"), "--budget", "20", "--no-evidence", "--json"]
    assert main([*asked, "--out", str(tmp_path / "out")]) == 0
    assert not json.loads(capsys.readouterr().out)["failures"]
    maps = matxai.load(tmp_path / "out" / "results" / "a" / "explanation.nc")
    assert list(maps.data_vars) == ["occlusion", "kernel_shap", "kernel_shap_standard_error"]
    assert main([*asked, "--methods", "lrp", "--out", str(tmp_path / "out")]) == 2
    assert "'lrp' needs the gradients of a PyTorch model" in capsys.readouterr().err

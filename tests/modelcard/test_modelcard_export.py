"""torch.export programs load after the audit and answer as the networks they were made from."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
import torch
from torch import nn
from torch.export import Dim

from matxai.errors import FileError, ModelError
from matxai.modelcard import init_card, load_model
from matxai.modelcard.program_text import clean_tree, is_expression


class Branches(nn.Module):
    """Symbolic sizes, a constant, a buffer, padding, in-place operations, a skip."""

    def __init__(self, size: int = 3) -> None:
        super().__init__()
        self.down = nn.Conv2d(1, 4, size, stride=2, padding=size // 2, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.out = nn.Conv2d(5, 2, 1)
        self.register_buffer("offset", torch.tensor([0.25]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = nn.functional.relu(self.norm(self.down(x)), inplace=True) + torch.tensor(0.5)
        y = nn.functional.interpolate(y, size=x.shape[-2:], mode="bilinear")
        y += self.offset
        return self.out(torch.cat([x, nn.functional.pad(y, (0, 0, 1, 1), mode="reflect")[:, :, 1:-1]], 1))


def exported(
    module: nn.Module, x: torch.Tensor, shapes: dict[int, object] | None = None
) -> torch.export.ExportedProgram:
    return torch.export.export(module.eval(), (x,), dynamic_shapes=(shapes,) if shapes else None)


def old_layout(program: torch.export.ExportedProgram) -> bytes:
    """The layout of torch 2.5 to 2.7, which later versions read."""
    from torch._export.serde.schema import SCHEMA_VERSION
    from torch._export.serde.serialize import serialize

    parts = serialize(program)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("version", ".".join(map(str, SCHEMA_VERSION)))
        archive.writestr("serialized_exported_program.json", parts.exported_program)
        archive.writestr("serialized_state_dict.pt", parts.state_dict)
        archive.writestr("serialized_constants.pt", parts.constants)
        archive.writestr("serialized_example_inputs.pt", parts.example_inputs)
    return buffer.getvalue()


def new_layout(program: torch.export.ExportedProgram) -> bytes:
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


def pickled_layout(program: torch.export.ExportedProgram) -> bytes:
    """The layout of torch 2.8: members as today, but the weights in one pickle."""
    from torch._export.serde.serialize import serialize

    parts = serialize(program)
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(new_layout(program))) as source, zipfile.ZipFile(buffer, "w") as archive:
        if "version" in source.namelist():
            pytest.skip(f"torch {torch.__version__} writes and reads the layout before 2.8 alone")
        for name in source.namelist():
            if "/data/weights/" not in name and "/data/constants/" not in name:
                archive.writestr(name, source.read(name))
        root = source.namelist()[0].split("/")[0]
        archive.writestr(f"{root}/data/weights/model.pt", parts.state_dict)
        archive.writestr(f"{root}/data/constants/model.pt", parts.constants)
    return buffer.getvalue()


LAYOUTS = {"2.5 to 2.7": old_layout, "2.8": pickled_layout, "installed": new_layout}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_program_of_every_layout_answers_as_its_network(tmp_path, layout):
    torch.manual_seed(0)
    net = Branches()
    net(torch.rand(4, 1, 16, 16))
    program = exported(net, torch.rand(2, 1, 16, 16), {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC})
    path = tmp_path / "net.pt2"
    path.write_bytes(LAYOUTS[layout](program))
    model = load_model(path)
    x = torch.rand(3, 1, 20, 26, requires_grad=True)
    assert torch.allclose(model.module(x), net(x), atol=1e-6)
    (grad,) = torch.autograd.grad(model.module(x).square().sum(), x)
    (wanted,) = torch.autograd.grad(net(x).square().sum(), x)
    assert torch.allclose(grad, wanted, atol=1e-5)
    assert (model.kind, model.channels, model.task, model.classes) == ("2d", 1, "segmentation", ("0", "1"))
    assert (model.size, model.batch, model.architecture) == (None, None, "torch.export")


def test_layer_names_survive_the_audit(tmp_path):
    (tmp_path / "n.pt2").write_bytes(new_layout(exported(Branches(), torch.rand(2, 1, 16, 16))))
    nodes = load_model(tmp_path / "n.pt2").module.graph.nodes
    stacks = [str(node.meta.get("nn_module_stack")) for node in nodes if "conv2d" in str(node.target)]
    assert ["'down'" in stacks[0], "'out'" in stacks[1]] == [True, True]


def test_a_program_of_fixed_size_says_so_and_nothing_is_resized_until_a_card_asks(tmp_path):
    net = nn.Sequential(nn.Conv1d(2, 3, 5), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    path = tmp_path / "n.pt2"
    path.write_bytes(new_layout(exported(net, torch.rand(1, 2, 40))))
    model = load_model(path)
    assert (model.kind, model.channels, model.size, model.batch, model.classes) == ("1d", 2, (40,), 1, ("0", "1", "2"))
    assert not any("resize" in line for line in model.preprocessing.describe())
    said = " ".join(model.assumptions)
    assert "takes 40" in said
    assert "batches of 1" in said
    model.check_fits((1, 2, 40))
    for shape, wanted in (((1, 2, 41), "41"), ((1, 3, 40), "3"), ((2, 2, 40), "batches of 1"), ((1, 2, 4, 10), "axes")):
        with pytest.raises(ModelError, match=wanted):
            model.check_fits(shape)
    made = load_model(init_card(path, out=tmp_path / "card", classes=["a", "b", "c"]))
    assert any("resize" in line for line in made.preprocessing.describe())
    assert torch.equal(made.module(torch.ones(1, 2, 40)), net(torch.ones(1, 2, 40)))


def test_a_dictionary_as_output_keeps_its_names(tmp_path):
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)

        def forward(self, x):
            return {"out": self.conv(x)}

    (tmp_path / "n.pt2").write_bytes(new_layout(exported(Named(), torch.rand(1, 1, 8, 8))))
    model = load_model(tmp_path / "n.pt2")
    assert set(model.module(torch.rand(1, 1, 8, 8))) == {"out"}
    assert model.task == "segmentation"


def test_a_program_exported_on_a_gpu_loads_on_the_cpu(tmp_path):
    data = new_layout(exported(Branches(), torch.rand(2, 1, 16, 16)))
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(buffer, "w") as archive:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith(".json"):
                content = content.replace(b'{"type": "cpu", "index": null}', b'{"type": "cuda", "index": 0}')
            archive.writestr(name, content)
    (tmp_path / "n.pt2").write_bytes(buffer.getvalue())
    model = load_model(tmp_path / "n.pt2")
    assert model.module(torch.rand(2, 1, 16, 16)).device.type == "cpu"


class Two(nn.Module):
    def forward(self, x, y):
        return x + y


@pytest.mark.parametrize(
    ("module", "args", "wanted"),
    [
        (Two(), (torch.rand(1, 1, 8), torch.rand(1, 1, 8)), "takes 2 tensors"),
        (nn.Flatten(), (torch.rand(2, 8),), "2 axes"),
        (nn.Flatten(), (torch.ones(2, 1, 8, dtype=torch.int64),), "takes integers"),
    ],
)
def test_programs_that_are_no_networks_for_signals_are_one_sentence(tmp_path, module, args, wanted):
    (tmp_path / "n.pt2").write_bytes(new_layout(torch.export.export(module, args)))
    with pytest.raises(ModelError, match=wanted):
        load_model(tmp_path / "n.pt2")


def test_an_architecture_beside_a_program_is_refused(tmp_path):
    (tmp_path / "n.pt2").write_bytes(new_layout(exported(Branches(), torch.rand(2, 1, 16, 16))))
    with pytest.raises(ModelError, match="leave 'torchvision:resnet18' out"):
        load_model(tmp_path / "n.pt2", arch="torchvision:resnet18")


def test_a_program_of_another_schema_names_both_versions(tmp_path):
    buffer = io.BytesIO()
    data = new_layout(exported(Branches(), torch.rand(2, 1, 16, 16)))
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(buffer, "w") as archive:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith(("models/model.json", "serialized_exported_program.json")):
                graph = json.loads(content)
                graph["schema_version"]["major"] = 99
                graph["torch_version"] = "9.9.0"
                content = json.dumps(graph).encode()
            archive.writestr(name, content)
    (tmp_path / "n.pt2").write_bytes(buffer.getvalue())
    with pytest.raises(FileError, match=r"torch 9\.9\.0 and cannot be loaded by torch"):
        load_model(tmp_path / "n.pt2")


@pytest.mark.parametrize(
    "text",
    [
        "s0", "4*s39", "s77 + 1", "s0**2", "Max(1, s0//2)", "Mod(s1, 3)", "(s0 - 1)//2 + 1", "-1", "1.5*s0",
        "Eq(s0, 4)", "s0 <= 5", "FloorDiv(s0 + 1, 2) & True", "Symbol('s77', positive=True, integer=True)",
        "Integer(-1)", "Mul(Integer(4), Symbol('s0', integer=True))", "Pow(Symbol('s0', integer=True), Integer(2))",
        "Float('0.5', precision=53)", "9**9", "9223372036854775807",
    ],
)  # fmt: skip
def test_sizes_as_pytorch_writes_them_are_read(text):
    assert is_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "s0 +", "__import__('os').system('true')", "s0.__class__", "().__class__", "exec('1')", "lambda: 1",
        "s0[0]", "os", "E", "pi", "S('1')", "'s0'", "Symbol('__import__(1)')", "Symbol('s0', evil=1)",
        "Symbol(s0)", "Float('nan')", "9**9**9", "s0**99", "Pow(Pow(s0, Integer(9)), Integer(9))", "(s0**9)**9",
        "99999999999999999999", "s0;s1", "s0 s1", "Lambda(s0, s0)", "sympify('1')", "Max",
        "Max(", "Max()", "s0 if s0 else s1", "s\u00e9",
        "\u0455" + "0", "(" * 60 + "1" + ")" * 60,
        "Max(1" + ",1" * 3000 + ")", "True(1)", "1(2)", "s0(1)", "0x10", "1e9", "1__0", "f'{s0}'",
    ],
)  # fmt: skip
def test_any_other_text_is_no_size(text):
    assert not is_expression(text)


def test_a_structure_is_written_anew_from_plain_containers():
    leaf = {"type": None, "context": None, "children_spec": []}
    tree = [1, {"type": "builtins.dict", "context": '["a"]', "children_spec": [leaf]}]
    assert json.loads(clean_tree(json.dumps(tree))) == tree
    for kind, context in (
        ("builtins.dict", '[{"__enum__": true, "fqn": "evil:x", "name": "y"}]'),
        (
            "collections.defaultdict",
            '{"default_factory_module": "evil", "default_factory_name": "x", "dict_context": []}',
        ),
        ("builtins.tuple", '{"__enum__": true, "fqn": "evil:x", "name": "y"}'),
        ("torch.Size", "null"),
    ):
        with pytest.raises((ValueError, KeyError)):
            clean_tree(json.dumps([1, {"type": kind, "context": context, "children_spec": [leaf]}]))

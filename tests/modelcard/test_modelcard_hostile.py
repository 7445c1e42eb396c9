"""Files from strangers: none of them runs anything, each is one sentence, and no memory is asked for on their word."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import stat
import struct
import sys
import warnings
import zipfile

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from matxai.errors import CardError, FileError, MatxaiError, UnsafeFileError
from matxai.modelcard import check_reference, load_model

pytestmark = pytest.mark.usefixtures("toy_family")
CARD = "version: 1\nname: steel\ntask: classification\nweights: {weights}\narchitecture: toy:net\n"


def refused(path, error=FileError, **options):
    """Load, expect one sentence that names the file, and return it."""
    with pytest.raises(error) as caught:
        load_model(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


# ---- checkpoints ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("old_format", [False, True])
@pytest.mark.parametrize("place", ["alone", "beside tensors", "instead of a tensor"])
def test_a_checkpoint_that_would_run_a_command_runs_nothing(tmp_path, network, shell, canary, place, old_format):
    content = {
        "alone": shell,
        "beside tensors": {"state_dict": network.state_dict(), "note": shell},
        "instead of a tensor": {**network.state_dict(), "conv.weight": shell},
    }[place]
    torch.save(content, tmp_path / "w.pt", _use_new_zipfile_serialization=not old_format)
    message = refused(tmp_path / "w.pt", UnsafeFileError, arch="toy:net")
    assert "system" in message
    assert not canary.exists()


def test_a_plain_pickle_runs_nothing(tmp_path, shell, canary):
    (tmp_path / "w.pkl").write_bytes(pickle.dumps(shell))
    assert "system" in refused(tmp_path / "w.pkl", UnsafeFileError, arch="toy:net")
    assert not canary.exists()


def test_a_whole_pickled_network_is_refused_with_what_to_do(tmp_path):
    torch.save(nn.Sequential(nn.Linear(1, 1)), tmp_path / "net.pt")
    message = refused(tmp_path / "net.pt", UnsafeFileError, arch="toy:net")
    assert "'torch.nn.modules.container.Sequential'" in message
    assert "torch.save(network.state_dict()" in message


def test_trust_is_for_factories_alone(tmp_path, shell, canary):
    torch.save(shell, tmp_path / "w.pt")
    refused(tmp_path / "w.pt", UnsafeFileError, arch="toy:net", trust=True)
    assert not canary.exists()


def test_a_checkpoint_that_claims_more_than_it_holds_is_refused_before_memory_is_asked_for(tmp_path, network):
    buffer = io.BytesIO()
    torch.save(network.state_dict(), buffer)
    out = tmp_path / "w.pt"
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(out, "w") as archive:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("data.pkl"):  # the 72 elements of conv.weight become 10**9
                assert data.count(b"KHtq") == 1
                data = data.replace(b"KHtq", b"J" + struct.pack("<i", 10**9) + b"tq")
            archive.writestr(name, data)
    assert "claims 1000000000 elements" in refused(out, arch="toy:net")


@pytest.mark.parametrize("old_format", [False, True])
@pytest.mark.parametrize("part", [0.3, 0.9, 0.99])
def test_a_truncated_checkpoint_is_one_sentence(tmp_path, network, old_format, part):
    path = tmp_path / "w.pt"
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=not old_format)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    refused(path, arch="toy:net")


# ---- safetensors ----------------------------------------------------------------------------------------------------


def safetensors_bytes(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


F32 = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (struct.pack("<Q", 2**40) + b"{}", "header has 1099511627776 bytes"),
        (safetensors_bytes({"a": F32}, b"\0" * 8), "claims 16 bytes of tensors but holds 8"),
        (safetensors_bytes({"a": {**F32, "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}, b"\0" * 16), "claims"),
        (safetensors_bytes({"a": {**F32, "shape": [3, 2]}}, b"\0" * 16), "damaged"),
        (safetensors_bytes(b"{" + b"x" * 20), "no readable safetensors header"),
        (safetensors_bytes({"a": {"dtype": "F32"}}), "no readable safetensors header"),
        (safetensors_bytes({"a": 3}), "no readable safetensors header"),
        (safetensors_bytes({"a": {**F32, "dtype": "F3"}}, b"\0" * 16), "damaged"),
    ],
)
def test_safetensors_that_claim_more_than_they_hold_or_nonsense_are_one_sentence(tmp_path, data, wanted):
    (tmp_path / "w.safetensors").write_bytes(data)
    assert wanted in refused(tmp_path / "w.safetensors", arch="toy:net")


def test_truncated_safetensors_are_one_sentence(tmp_path, network):
    path = tmp_path / "w.safetensors"
    save_file(network.state_dict(), path)
    whole = path.read_bytes()
    for length in (9, 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        refused(path, arch="toy:net")


# ---- files that are something else ----------------------------------------------------------------------------------


def test_missing_empty_and_foreign_files_are_one_sentence(tmp_path):
    assert "does not exist" in refused(tmp_path / "w.pt")
    for name, data, wanted in (
        ("empty.safetensors", b"", "is empty"),
        ("image.pt", b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "is no model that matxai knows"),
        ("text.pt2", b"hello, world, this is no model", "is no model that matxai knows"),
        ("keras.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "Keras"),
        ("cut.pt2", b"PK\x03\x04" + b"\0" * 40, "damaged or cut off archive"),
    ):
        (tmp_path / name).write_bytes(data)
        assert wanted in refused(tmp_path / name, arch="toy:net")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "zip archive that holds neither" in refused(tmp_path / "other.zip")


@pytest.mark.parametrize("name", ["net.pt", "net.safetensors", "net.matxai"])
def test_torchscript_under_any_name_gets_the_sentence_on_what_can_be_done(tmp_path, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(nn.Conv2d(1, 1, 1), torch.rand(1, 1, 4, 4)), tmp_path / name)
    message = refused(tmp_path / name, arch="toy:net")
    assert "TorchScript" in message
    assert "torch.export" in message


def onnx_bytes():
    """A ModelProto: ir_version, producer_name, an opset and a graph with a name."""

    def field(number, data):
        return bytes([number << 3 | 2, len(data)]) + data

    return b"\x08\x08" + field(2, b"pytorch") + field(8, b"\x0a\x00\x10\x11") + field(7, field(2, b"main_graph"))


@pytest.mark.parametrize("name", ["net.onnx", "net.pt"])
def test_onnx_is_known_under_any_name(tmp_path, name):
    (tmp_path / name).write_bytes(onnx_bytes())
    assert "cannot be loaded by onnxruntime" in refused(tmp_path / name)


def test_a_mislabelled_file_is_told_by_its_content(tmp_path, network):
    torch.save(network.state_dict(), tmp_path / "w.safetensors")
    assert load_model(tmp_path / "w.safetensors", arch="toy:net").channels == 2
    save_file(network.state_dict(), tmp_path / "w.pt2")
    assert load_model(tmp_path / "w.pt2", arch="toy:net").channels == 2


# ---- cards and their archives ---------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, network):
    path = tmp_path / "steel"
    path.mkdir()
    save_file(network.state_dict(), path / "w.safetensors")
    (path / "matxai.yaml").write_text(CARD.format(weights="w.safetensors"))
    return path


@pytest.mark.parametrize("escape", ["../w.safetensors", "{outside}", "..\\w.safetensors", "sub/../../w.safetensors"])
def test_paths_in_a_card_stay_inside_its_folder(folder, tmp_path, network, escape):
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    text = CARD.format(weights=json.dumps(escape.format(outside=tmp_path / "w.safetensors")))
    (folder / "matxai.yaml").write_text(text)
    assert "outside the card's folder" in refused(folder, CardError)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_link_out_of_the_folder_is_outside(folder, tmp_path):
    (tmp_path / "w.safetensors").write_bytes((folder / "w.safetensors").read_bytes())
    (folder / "w.safetensors").unlink()
    (folder / "w.safetensors").symlink_to(tmp_path / "w.safetensors")
    assert "outside the card's folder" in refused(folder, CardError)
    (folder / "matxai.yaml").write_text(
        CARD.format(weights="w.safetensors") + "reference: {input: /etc/passwd, output: x.npy}\n"
    )
    refused(folder, CardError)


def test_a_weights_file_that_is_not_there_is_answered_with_those_that_are(folder):
    (folder / "matxai.yaml").write_text(CARD.format(weights="weights.safetensors"))
    assert "it has w.safetensors" in refused(folder, CardError)


def test_hostile_yaml_in_a_card_runs_nothing(folder, canary):
    text = CARD.format(weights="w.safetensors")
    (folder / "matxai.yaml").write_text(text + f"source: !!python/object/apply:os.system ['touch {canary}']\n")
    assert "line 6" in refused(folder, CardError)
    assert not canary.exists()


def archive_of(folder, target, members):
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
        for info, data in members:
            archive.writestr(info, data)
    return target


def link(name, target):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, target


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        ([("../canary.txt", "x")], "outside its folder"),
        ([("a/../../canary.txt", "x")], "outside its folder"),
        ([("..\\canary.txt", "x")], "outside its folder"),
        ([("/tmp/matxai-canary.txt", "x")], "outside its folder"),
        ([("C:/canary.txt", "x")], "outside its folder"),
        ([link("away", "/etc")], "link or a device"),
        ([("MATXAI.YAML", "x")], "twice"),
        ([("bomb.bin", b"\0" * 30_000_000)], "would unfold to"),
    ],
    ids=["up", "up inside", "backslash", "absolute", "drive", "link", "twice", "bomb"],
)
def test_archives_that_leave_their_folder_or_unfold_too_far_write_nothing(folder, tmp_path, canary, members, wanted):
    target = archive_of(folder, tmp_path / "net.matxai", members)
    assert wanted in refused(target, UnsafeFileError)
    assert not canary.exists()


def test_a_limit_lets_an_archive_unfold_further(folder, tmp_path):
    target = archive_of(folder, tmp_path / "net.matxai", [("zeros.bin", b"\0" * 30_000_000)])
    assert load_model(target, limit=40_000_000).name == "steel"
    assert "--limit" in refused(target, UnsafeFileError, limit=20_000_000)


def test_an_archive_that_lies_about_a_members_length_is_refused(folder, tmp_path):
    target = archive_of(folder, tmp_path / "net.matxai", [("zeros.bin", b"\0" * 3_000_000)])
    data = target.read_bytes()
    for length in (3_000_000,):  # in the local header and in the directory
        data = data.replace(struct.pack("<I", length), struct.pack("<I", 10))
    target.write_bytes(data)
    refused(target)


def test_a_truncated_or_encrypted_archive_is_one_sentence(folder, tmp_path):
    target = archive_of(folder, tmp_path / "net.matxai", [])
    whole = target.read_bytes()
    target.write_bytes(whole[: len(whole) // 2])
    refused(target)
    flagged = bytearray(whole)
    flagged[whole.index(b"PK\x01\x02") + 8] |= 1
    target.write_bytes(bytes(flagged))
    assert "encrypted" in refused(target)


def test_errors_inside_an_archive_name_the_archive_and_no_temporary_place(folder, tmp_path):
    (folder / "w.safetensors").write_bytes(b"")
    message = refused(archive_of(folder, tmp_path / "net.matxai", []))
    assert message.startswith(str(tmp_path / "net.matxai"))
    assert "matxai-" not in message


@pytest.mark.parametrize("data", [b"", b"\x93NUMPY\x01\x00", b"no array"])
def test_a_damaged_reference_is_one_sentence(folder, data):
    (folder / "in.npy").write_bytes(data)
    (folder / "out.npy").write_bytes(data)
    (folder / "matxai.yaml").write_text(
        CARD.format(weights="w.safetensors") + "reference: {input: in.npy, output: out.npy, prepared: true}\n"
    )
    with pytest.raises(FileError, match=r"out\.npy"):
        check_reference(load_model(folder))


def test_a_reference_of_pickled_objects_runs_nothing(folder, shell, canary):
    import numpy as np

    np.save(folder / "out.npy", np.array([shell], dtype=object), allow_pickle=True)
    np.save(folder / "in.npy", np.zeros((1, 2, 9, 9)))
    (folder / "matxai.yaml").write_text(
        CARD.format(weights="w.safetensors") + "reference: {input: in.npy, output: out.npy, prepared: true}\n"
    )
    with pytest.raises(FileError, match=r"out\.npy"):
        check_reference(load_model(folder))
    assert not canary.exists()


# ---- torch.export programs ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def program_bytes():
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    x = torch.rand(2, 1, 8, 8)
    dynamic = {"input": {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC}}
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(net, (x,), dynamic_shapes=dynamic), buffer)
    return buffer.getvalue()


OLD_GRAPH = "serialized_exported_program.json"  # the graph in the layout that torch wrote before 2.8


def rewritten(data, *, graph=None, members=None):
    """Return the archive with its graph changed by a function and members replaced or added (by their inner names)."""
    members = dict(members or {})
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as archive:
        names = source.namelist()
        old = OLD_GRAPH in names
        changed = [name for name, content in members.items() if content is None or callable(content)]
        if old and changed:
            pytest.skip(f"torch {torch.__version__} writes programs without '{changed[0]}'")
        root = "" if old else f"{names[0].split('/')[0]}/"
        for name in names:
            inner = name.removeprefix(root)
            content = source.read(name)
            if inner in {"models/model.json", OLD_GRAPH} and graph is not None:
                tree = json.loads(content)
                graph(tree)
                content = json.dumps(tree).encode()
            if inner.endswith("_config.json") and inner in members and callable(members[inner]):
                tree = json.loads(content)
                members.pop(inner)(tree)
                content = json.dumps(tree).encode()
            content = members.pop(inner, content)
            if content is not None:
                archive.writestr(name, content)
        for inner, content in members.items():
            archive.writestr(f"{root}{inner}", content)
    return out.getvalue()


def pickled(thing):
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    return buffer.getvalue()


def first_node(tree):
    return tree["graph_module"]["graph"]["nodes"][0]


def set_expression(text):
    def change(tree):
        tensors = tree["graph_module"]["graph"]["tensor_values"]
        tensors["input"]["sizes"][0] = {"as_expr": {"expr_str": text, "hint": {"as_int": 2}}}

    return change


def set_operator(target, text=None):
    def change(tree):
        node = first_node(tree)
        node["target"] = target
        if text is not None:
            node["inputs"] = [{"name": "a", "arg": {"as_string": text}, "kind": 1}]

    return change


def set_name(text):
    def change(tree):
        module = tree["graph_module"]
        raw = json.dumps(module).replace('"input"', json.dumps(text))
        tree["graph_module"] = json.loads(raw)

    return change


def set_node_name(text):
    def change(tree):
        first_node(tree)["name"] = text

    return change


def set_parameter(text):
    def change(tree):
        tree["graph_module"]["signature"]["input_specs"][0]["parameter"]["parameter_name"] = text

    return change


def set_structure(kind, context):
    def change(tree):
        signature = tree["graph_module"]["module_call_graph"][0]["signature"]
        leaf = {"type": None, "context": None, "children_spec": []}
        signature["out_spec"] = json.dumps([1, {"type": kind, "context": json.dumps(context), "children_spec": [leaf]}])

    return change


def set_custom_object(tree):
    tree["graph_module"]["graph"]["custom_obj_values"] = {
        "o": {"name": "o", "class_fqn": "__torch__.torch.classes.evil.E"}
    }


def set_unknown_field(tree):
    first_node(tree)["on_load"] = "anything"


def pickled_weight(config):
    next(iter(config["config"].values()))["use_pickle"] = True


def opaque_constant(config):
    config["config"]["c"] = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}


COMMANDS = {
    "symbolic size": lambda s: {"graph": set_expression(f'__import__("os").system({s.command!r})')},
    "symbolic size by attributes": lambda s: {
        "graph": set_expression(f"().__class__.__base__.__subclasses__() or __import__('os').system({s.command!r})")
    },
    "sample inputs": lambda s: {"members": {"data/sample_inputs/model.pt": pickled(((s,), {}))}},
    "sample inputs, plain pickle": lambda s: {"members": {"data/sample_inputs/model.pt": pickle.dumps(s)}},
    "pickled weight": lambda s: {
        "members": {"data/weights/model_weights_config.json": pickled_weight, "data/weights/weight_0": pickled(s)}
    },
    "pickled weights of the older layout": lambda s: {"members": {"data/weights/model.pt": pickled({"0.weight": s})}},
    "pickled constants of the older layout": lambda s: {"members": {"data/constants/model.pt": pickled({"c": s})}},
    "opaque object": lambda s: {
        "members": {
            "data/constants/opaque_obj_0": pickle.dumps(s),
            "data/constants/model_constants_config.json": opaque_constant,
        }
    },
    "scripted object": lambda s: {"members": {"data/constants/custom_obj_0": pickled(s)}},
    "operator from Python": lambda s: {"graph": set_operator("torch.os.system", s.command)},
    "operator that reads a file": lambda s: {"graph": set_operator("torch.ops.aten.from_file.default", "/etc/passwd")},
    "operator that writes a file": lambda s: {"graph": set_operator("torch.ops.aten.save.default", "x")},
    "operator of an extension": lambda s: {"graph": set_operator("#evil:op")},
    "operator without bounds": lambda s: {"graph": set_operator("torch.ops.aten._nested_view_from_buffer.default")},
    "name with code": lambda s: {"graph": set_name(f"x=__import__('os').system({s.command!r})")},
    "node with code": lambda s: {"graph": set_node_name(f"x=__import__('os').system({s.command!r})")},
    "parameter with code": lambda s: {"graph": set_parameter(f"a\"), __import__('os').system({s.command!r}), (\"")},
    "parameter into a class": lambda s: {"graph": set_parameter("__class__.forward")},
    "custom object": lambda s: {"graph": set_custom_object},
    "unknown field": lambda s: {"graph": set_unknown_field},
    "unknown member": lambda s: {"members": {"data/plugin.py": "import os"}},
    "compiled code": lambda s: {"members": {"data/aotinductor/model/x.so": b"\x7fELF"}},
}


@pytest.mark.parametrize("attack", COMMANDS)
def test_a_program_that_would_run_something_is_refused_and_runs_nothing(tmp_path, program_bytes, shell, canary, attack):
    path = tmp_path / "net.pt2"
    path.write_bytes(rewritten(program_bytes, **COMMANDS[attack](shell)))
    message = refused(path, UnsafeFileError)
    assert str(path) in message
    assert not canary.exists()


@pytest.mark.parametrize("attack", ["symbolic size", "sample inputs", "pickled weight", "opaque object"])
def test_the_attacks_are_real_pytorch_alone_runs_them(tmp_path, program_bytes, shell, canary, attack, caplog):
    path = tmp_path / "net.pt2"
    path.write_bytes(rewritten(program_bytes, **COMMANDS[attack](shell)))
    with contextlib.suppress(Exception):
        torch.export.load(str(path))
    if not canary.exists():
        pytest.skip(f"torch {torch.__version__} does not run this one any more")


@pytest.mark.parametrize(
    "member", ["serialized_state_dict.pt", "serialized_constants.pt", "serialized_example_inputs.pt"]
)
def test_pickles_in_the_layout_before_torch_2_8_run_nothing(tmp_path, shell, canary, member):
    from torch._export.serde.schema import SCHEMA_VERSION
    from torch._export.serde.serialize import serialize

    parts = serialize(torch.export.export(nn.Conv2d(1, 2, 3), (torch.rand(1, 1, 8, 8),)))
    members = {
        "version": ".".join(map(str, SCHEMA_VERSION)),
        "serialized_exported_program.json": parts.exported_program,
        "serialized_state_dict.pt": parts.state_dict,
        "serialized_constants.pt": parts.constants,
        "serialized_example_inputs.pt": parts.example_inputs,
    }
    for name, data in ((member, pickled({"weight": shell})), ("code/__torch__.py", "import os")):
        with zipfile.ZipFile(tmp_path / "net.pt2", "w") as archive:
            for inner, content in (members | {name: data}).items():
                archive.writestr(inner, content)
        refused(tmp_path / "net.pt2", UnsafeFileError)
    assert not canary.exists()


@pytest.mark.parametrize("kind", ["enum", "default factory"])
def test_a_structure_that_would_import_a_module_imports_nothing(tmp_path, program_bytes, canary, monkeypatch, kind):
    (tmp_path / "matxai_evil_module.py").write_text(f"from pathlib import Path\nPath(r'{canary}').touch()\n")
    monkeypatch.syspath_prepend(tmp_path)
    change = {
        "enum": set_structure("builtins.dict", [{"__enum__": True, "fqn": "matxai_evil_module:x", "name": "y"}]),
        "default factory": set_structure(
            "collections.defaultdict",
            {"default_factory_module": "matxai_evil_module", "default_factory_name": "x", "dict_context": ["a"]},
        ),
    }[kind]
    (tmp_path / "net.pt2").write_bytes(rewritten(program_bytes, graph=change))
    refused(tmp_path / "net.pt2", UnsafeFileError)
    assert not canary.exists()
    assert "matxai_evil_module" not in sys.modules


def test_guards_traces_and_metadata_are_left_out(tmp_path, program_bytes, shell, canary):
    def change(tree):
        if "guards_code" in tree:  # torch 2.6 knows none and loads no program that has some
            tree["guards_code"] = [f"__import__('os').system({shell.command!r}) or True"]
        for node in tree["graph_module"]["graph"]["nodes"]:
            node["metadata"]["stack_trace"] = f"\n__import__('os').system({shell.command!r})\n"
            node["metadata"]["source_fn_stack"] = "x,torch.os.system"
            node["metadata"]["custom"] = "[1]"
            node["metadata"]["nn_module_stack"] = f"a,b,c\n__import__('os').system({shell.command!r})"

    (tmp_path / "net.pt2").write_bytes(rewritten(program_bytes, graph=change))
    model = load_model(tmp_path / "net.pt2")
    model.module(torch.rand(2, 1, 8, 8))
    model.module.print_readable(print_output=False)
    assert not canary.exists()
    for node in model.module.graph.nodes:
        assert not set(node.meta) & {"stack_trace", "source_fn_stack", "custom"}


def claim(**changes):
    def change(config):
        entry = next(iter(config["config"].values()))["tensor_meta"]
        entry.update({key: [{"as_int": n} for n in value] for key, value in changes.items() if isinstance(value, list)})
        entry.update({key: value for key, value in changes.items() if not isinstance(value, list)})

    return change


@pytest.mark.parametrize(
    "change",
    [
        claim(sizes=[10**6, 10**6, 3, 3]),
        claim(sizes=[10**6, 10**6, 1, 1], strides=[0, 0, 0, 0]),
        claim(strides=[10**9, 9, 3, 1]),
        claim(storage_offset={"as_int": 10**6}),
        claim(strides=[-1, 9, 3, 1]),
        claim(sizes=[2, 1, 3]),
        claim(dtype=8),
        claim(dtype=99),
    ],
    ids=["sizes", "stride 0", "strides", "offset", "negative", "axes", "type", "no type"],
)
def test_a_program_whose_tensors_claim_more_than_it_holds_is_refused(tmp_path, program_bytes, change):
    path = tmp_path / "net.pt2"
    path.write_bytes(rewritten(program_bytes, members={"data/weights/model_weights_config.json": change}))
    message = refused(path)
    assert str(path) in message


def test_an_empty_member_for_a_large_tensor_is_refused(tmp_path, program_bytes):
    path = tmp_path / "net.pt2"
    if OLD_GRAPH.encode() in program_bytes:
        pytest.skip(f"torch {torch.__version__} writes all tensors into one pickle")
    path.write_bytes(rewritten(program_bytes, members={"data/weights/weight_0": b""}))
    assert "but holds 0" in refused(path)


def test_a_counter_that_would_count_for_hours_is_refused(tmp_path, program_bytes):
    def change(tree):
        tree["range_constraints"] = {"u999999999": {"min_val": 0, "max_val": 9}}

    (tmp_path / "net.pt2").write_bytes(rewritten(program_bytes, graph=change))
    refused(tmp_path / "net.pt2", UnsafeFileError)


@pytest.mark.parametrize(
    "members",
    [
        {"models/model.json": b"{"},
        {"models/model.json": b"[" * 100_000},
        {"models/model.json": b'{"graph_module": {}}'},
        {"models/model.json": None},
        {"data/weights/model_weights_config.json": b"[]"},
        {"data/weights/model_weights_config.json": None},
        {"data/weights/weight_0": None},
        {"archive_format": b"pt3"},
        {"archive_version": b"../../x"},
        {"byteorder": b"big"},
    ],
    ids=lambda m: f"{next(iter(m))}: {str(next(iter(m.values())))[:12]}",
)
def test_a_damaged_program_is_one_sentence(tmp_path, program_bytes, members):
    (tmp_path / "net.pt2").write_bytes(rewritten(program_bytes, members=members))
    with pytest.raises(MatxaiError) as caught:
        load_model(tmp_path / "net.pt2")
    assert "\n" not in str(caught.value)


def test_a_truncated_program_is_one_sentence(tmp_path, program_bytes):
    for part in (0.2, 0.7, 0.999):
        (tmp_path / "net.pt2").write_bytes(program_bytes[: int(len(program_bytes) * part)])
        refused(tmp_path / "net.pt2")


def tower():
    """A tuple that holds itself twice, fifty times over: hashing it would take longer than the sun will shine."""
    value = ()
    for _ in range(50):
        value = (value, value)
    return value


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02Nr\xff\xff\xff\x7f.",  # remember None in the place 2**31
        b"\x80\x05\x96" + struct.pack("<Q", 2**36) + b"x.",  # a bytearray of 64 GB
        b"\x80\x05\x8d" + struct.pack("<Q", 2**60) + b"x.",  # a text of an exabyte
        b"\x80\x02}" + pickle.dumps(tower(), 2)[2:-1] + b"K\x01s.",  # a dictionary with that tuple as its key
    ],
    ids=["memo", "bytearray", "text", "hash"],
)
def test_a_pickle_of_a_few_bytes_takes_neither_memory_nor_time(tmp_path, data):
    (tmp_path / "w.pt").write_bytes(data)
    refused(tmp_path / "w.pt", arch="toy:net")

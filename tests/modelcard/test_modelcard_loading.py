"""Whatever a user hands over becomes the same model, and what nobody said is said to be assumed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from matxai.errors import CardError, FileError, ModelError
from matxai.modelcard import check_reference, describe, init_card, list_models, load_model, read_card
from matxai.modelcard.sizes import infer_sizes

pytestmark = pytest.mark.usefixtures("toy_family")
X = torch.rand(2, 2, 9, 9, generator=torch.Generator().manual_seed(1))
CARD = "version: 1\nname: steel\ntask: classification\nweights: w.safetensors\narchitecture: toy:net\n"


@pytest.fixture
def folder(tmp_path, network):
    """A card's folder."""
    path = tmp_path / "steel"
    path.mkdir()
    save_file(network.state_dict(), path / "w.safetensors")
    (path / "matxai.yaml").write_text(CARD + "classes: [a, b, c]\ninput: {mean: 0.5, std: 0.25}\nlayers: [conv]\n")
    return path


def toy_class():
    from matxai.modelcard.architectures import architectures

    return lambda classes, channels, kind, **options: architectures["toy"](
        "net", classes=classes, channels=channels, kind=kind, **options
    )


def zipped(folder, target, *, inner=""):
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.iterdir():
            archive.write(file, inner + file.name)
    return target


@pytest.mark.parametrize("way", ["folder", "card", "archive", "archive with a folder"])
def test_a_card_is_the_same_model_as_folder_file_and_archive(folder, tmp_path, network, way):
    source = {
        "folder": lambda: folder,
        "card": lambda: folder / "matxai.yaml",
        "archive": lambda: zipped(folder, tmp_path / "a.matxai"),
        "archive with a folder": lambda: zipped(folder, tmp_path / "b.matxai", inner="steel/"),
    }[way]()
    model = load_model(source)
    assert torch.equal(model.module(X), network(X))
    assert not model.module.training
    assert (model.name, model.task, model.classes) == ("steel", "classification", ("a", "b", "c"))
    assert (model.kind, model.channels, model.layers, model.assumptions) == ("2d", 2, ("conv",), ())
    assert model.architecture == "toy:net"
    assert len(model.sha256) == 64


def test_a_bare_file_says_what_was_assumed_and_a_card_made_of_it_assumes_nothing(folder, tmp_path):
    bare = load_model(folder / "w.safetensors", arch="toy:net")
    said = " ".join(bare.assumptions)
    for part in ("numbers, 0 to 2", "task: classification", "largest value of their type", "Nothing is resized"):
        assert part in said
    assert bare.classes == ("0", "1", "2")
    made = init_card(folder / "w.safetensors", arch="toy:net", out=tmp_path / "made.matxai", classes=["x", "y", "z"])
    again = load_model(made)
    assert again.assumptions == ()
    assert again.classes == ("x", "y", "z")
    assert torch.equal(again.module(X), bare.module(X))


def test_what_is_given_beside_a_bare_file_is_not_said_to_be_assumed(folder):
    model = load_model(folder / "w.safetensors", arch="toy:net", classes=("a", "b", "c"), task="classification",
                       mean=0.5, std=0.2, size=[9, 9], name="mine", licence="CC0-1.0")  # fmt: skip
    assert model.assumptions == ()
    assert (model.name, model.licence, model.card.input.size) == ("mine", "CC0-1.0", [9, 9])


def test_keyword_arguments_overrule_the_card(folder):
    model = load_model(folder, classes=["x", "y", "z"], activation="softmax", mean=0.1, std=0.9)
    assert (model.classes, model.activation) == (("x", "y", "z"), "softmax")
    assert (model.card.input.mean, model.layers) == ([0.1], ("conv",))


def test_a_module_with_keyword_arguments_is_a_model(network):
    network.train()
    model = load_model(network, classes=["a", "b", "c"], kind="2d", mean=0.5, std=0.5)
    assert model.module is network
    assert (model.channels, model.classes, model.origin, model.sha256) == (2, ("a", "b", "c"), None, None)


def test_a_module_shows_its_task_its_classes_and_its_kind():
    dense = load_model(nn.Sequential(nn.Conv1d(3, 5, 3, padding=1)))
    assert (dense.task, dense.classes, dense.kind, dense.channels) == ("segmentation", tuple("01234"), "1d", 3)
    one = load_model(nn.Sequential(nn.Conv3d(1, 2, 3), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(2, 1)))
    assert (one.task, one.classes, one.kind) == ("classification", ("0", "1"), "3d")


@pytest.mark.parametrize("kind", ["1d", "2d", "3d"])
def test_kind_classes_and_channels_are_read_from_the_weights(tmp_path, kind):
    toy = toy_class()

    save_file(toy(6, 5, kind).state_dict(), tmp_path / "w.safetensors")
    model = load_model(tmp_path / "w.safetensors", arch="toy:net")
    assert (model.kind, model.channels, len(model.classes)) == (kind, 5, 6)


@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn", "vit_b_32", "deeplabv3_resnet50"])
def test_classes_are_read_from_the_weights_of_real_architectures(name):
    from matxai.modelcard.architectures import architectures

    def build(**sizes):
        return architectures["torchvision"](name, **sizes)

    with torch.device("meta"):
        state = build(classes=13, channels=3, kind="2d").state_dict()
    assert infer_sizes(build, lambda names: state, "2d", classes=None, channels=None)[0] == 13


def test_a_torchvision_checkpoint_answers_as_its_network(tmp_path):
    import torchvision

    torch.manual_seed(0)
    net = torchvision.models.resnet18(num_classes=4).eval()
    net.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    torch.save(net.state_dict(), tmp_path / "w.pt")
    model = load_model(tmp_path / "w.pt", arch="torchvision:resnet18")
    x = torch.rand(1, 1, 64, 64)
    assert torch.equal(model.module(x), net(x))
    assert (model.channels, len(model.classes)) == (1, 4)


def test_options_of_an_architecture_stand_behind_a_question_mark(tmp_path):
    toy = toy_class()

    save_file(toy(2, 1, "2d", width=9).state_dict(), tmp_path / "w.safetensors")
    assert load_model(tmp_path / "w.safetensors", arch="toy:net?width=9").module.conv.out_channels == 9


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"clases": ["a"]}, "'classes'"),
        ({"classes": ["a", "b"]}, "names 2 classes (a, b), but the network has 3"),
        ({"kind": "1d"}, "mismatched  conv.weight  (4, 1, 3)     (4, 2, 3, 3)"),
        ({"size": [1, 2, 3]}, "2 positive sizes"),
        ({"task": "clasification"}, "'classification'"),
        ({"steps": ["rezise"]}, "'resize'"),
    ],
)
def test_wrong_card_fields_are_one_sentence(folder, fields, wanted):
    with pytest.raises((CardError, ModelError)) as caught:
        load_model(folder, **fields)
    assert wanted in str(caught.value)


def test_channels_that_contradict_the_weights_are_one_sentence(folder):
    with pytest.raises((CardError, ModelError), match=r"channels|do not fit"):
        load_model(folder, channels=3)


def test_an_architecture_is_needed_and_its_misspelling_answered(folder):
    with pytest.raises(ModelError, match="--arch"):
        load_model(folder / "w.safetensors")
    with pytest.raises(ModelError, match="'toy'"):
        load_model(folder / "w.safetensors", arch="tyo:net")
    with pytest.raises(ModelError, match="'resnet18'"):
        load_model(folder / "w.safetensors", arch="torchvision:resent18")
    with pytest.raises(ModelError, match="is no architecture"):
        load_model(folder / "w.safetensors", arch="resnet18")
    with pytest.raises(ModelError, match="could not be built"):
        load_model(folder / "w.safetensors", arch="toy:net?depth=3")


FACTORY = """
from pathlib import Path

from torch import nn

Path(r"{canary}").touch()


def build(num_classes, in_channels):
    net = nn.Module()
    net.conv = nn.Conv2d(in_channels, 4, 3, padding=1)
    net.norm = nn.BatchNorm2d(4)
    net.head = nn.Linear(4, num_classes)
    return net
"""


def test_a_python_factory_runs_only_with_trust_and_its_checksum_is_noted(folder, canary):
    (folder / "model.py").write_text(FACTORY.format(canary=canary))
    (folder / "matxai.yaml").write_text(CARD.replace("toy:net", "model.py:build"))
    with pytest.raises(ModelError, match="--trust"):
        load_model(folder)
    assert not canary.exists()
    model = load_model(folder, trust=True)
    assert canary.exists()
    assert any("model.py (sha256 " in sentence for sentence in model.assumptions)
    assert len(model.classes) == 3


def test_a_module_factory_runs_only_with_trust(folder, tmp_path, canary, monkeypatch):
    (tmp_path / "my_nets.py").write_text(FACTORY.format(canary=canary))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match="trust=True or --trust"):
        load_model(folder / "w.safetensors", arch="my_nets:build")
    assert not canary.exists()
    assert load_model(folder / "w.safetensors", arch="my_nets:build", trust=True).channels == 2
    with pytest.raises(ModelError, match="'build'"):
        load_model(folder / "w.safetensors", arch="my_nets:bild", trust=True)


def test_a_factory_of_a_card_stays_inside_its_folder(folder, tmp_path, canary):
    (tmp_path / "model.py").write_text(FACTORY.format(canary=canary))
    (folder / "matxai.yaml").write_text(CARD.replace("toy:net", "../model.py:build"))
    with pytest.raises(CardError, match="outside the card's folder"):
        load_model(folder, trust=True)
    assert not canary.exists()


def test_missing_things_are_one_sentence_with_the_nearest_name(tmp_path):
    with pytest.raises(FileError, match="does not exist"):
        load_model(tmp_path / "nothing.pt")
    with pytest.raises(FileError, match="'defects'"):
        load_model("defect")
    with pytest.raises(CardError, match=r"has no matxai\.yaml"):
        load_model(tmp_path)
    with pytest.raises(ModelError, match="int is no model"):
        load_model(3)


def test_an_unknown_device_is_one_sentence(folder):
    with pytest.raises(ModelError, match="device 'abacus'"):
        load_model(folder, device="abacus")


def test_models_that_come_along_are_listed_and_load_by_name():
    rows = {row["name"]: row for row in list_models()}
    assert "problem" not in rows["defects"]
    model = load_model("defects")
    assert model.classes == tuple(rows["defects"]["classes"])
    assert check_reference(model).holds


def test_a_reference_pair_holds_and_is_broken_by_other_weights(folder, network):
    batch = torch.rand(2, 2, 9, 9)
    np.save(folder / "in.npy", batch.numpy())
    np.save(folder / "out.npy", network(batch).detach().numpy())
    (folder / "matxai.yaml").write_text(CARD + "reference: {input: in.npy, output: out.npy, prepared: true}\n")
    found = check_reference(load_model(folder))
    assert found.holds
    assert found.deviation < 1e-6
    archive = zipped(folder, folder.parent / "r.matxai")
    assert check_reference(load_model(archive)).holds
    state = network.state_dict()
    state["head.bias"] = state["head.bias"] + 0.01
    save_file(state, folder / "w.safetensors")
    assert not check_reference(load_model(folder)).holds
    np.save(folder / "out.npy", np.zeros((2, 4)))
    with pytest.raises(CardError, match=r"shape \(2, 4\)"):
        check_reference(load_model(folder))


def test_describe_is_plain_and_complete(folder):
    import json

    rows = describe(load_model(folder))
    assert json.loads(json.dumps(rows)) == rows
    assert rows["parameters"] == 2 * 4 * 9 + 4 + 8 + 4 * 3 + 3
    assert rows["classes"] == ["a", "b", "c"]


def test_a_model_shows_itself_and_escapes_what_a_card_says(folder):
    html = load_model(folder, name="<script>alert(1)</script>")._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_init_keeps_what_is_there_and_leaves_nothing_half_done(folder, tmp_path):
    out = tmp_path / "out"
    made = init_card(folder / "w.safetensors", arch="toy:net", out=out, classes=["a", "b", "c"], licence="CC0-1.0")
    assert sorted(p.name for p in made.iterdir()) == ["matxai.yaml", "w.safetensors"]
    with pytest.raises(FileError, match="exists already"):
        init_card(folder / "w.safetensors", arch="toy:net", out=out)
    assert read_card(out).licence == "CC0-1.0"
    init_card(folder / "w.safetensors", arch="toy:net", out=out, overwrite=True)
    assert read_card(out).licence is None
    with pytest.raises(ModelError):
        init_card(folder / "w.safetensors", arch="toy:dense", out=tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_init_turns_a_checkpoint_into_safetensors_that_answer_alike(tmp_path, network):
    torch.save({"state_dict": {f"module.{k}": v for k, v in network.state_dict().items()}}, tmp_path / "run7.ckpt")
    made = init_card(tmp_path / "run7.ckpt", arch="toy:net")
    assert made == tmp_path / "run7"
    assert read_card(made).weights == "run7.safetensors"
    assert torch.equal(load_model(made).module(X), network(X))


def test_init_takes_a_trusted_factory_along(folder, tmp_path, canary):
    (tmp_path / "model.py").write_text(FACTORY.format(canary=canary))
    made = init_card(folder / "w.safetensors", arch=f"{tmp_path / 'model.py'}:build", out=tmp_path / "made", trust=True)
    shutil.move(made, tmp_path / "elsewhere")
    assert read_card(tmp_path / "elsewhere").architecture == "model.py:build"
    assert load_model(tmp_path / "elsewhere", trust=True).channels == 2


def test_importing_the_package_imports_no_torch():
    code = "import sys, matxai.modelcard as m; m.load_model; m.list_models(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

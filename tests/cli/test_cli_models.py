"""``matxai model`` from end to end: a network of one's own, from its factory to its card; bad files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import nn

from matxai.cli.main import main

FACTORY = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.late = nn.Conv2d(width, 6, 3)  # stands first and is not the first to see the input
        self.early = nn.Conv2d(1, width, 3, padding=1)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        return self.head(torch.relu(self.late(torch.relu(self.early(x)))).mean((2, 3)))


def build():
    torch.manual_seed(0)
    return Net(4)


def sized(classes, channels=2):
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))


def needy(n_classes):
    return sized(n_classes)
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a factory and the weights of its network."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(FACTORY)
    space: dict = {}
    exec(FACTORY, space)
    torch.save(space["build"]().state_dict(), "own.pth")
    torch.save(space["sized"](5).state_dict(), "sized.pth")
    return tmp_path


def said(capsys) -> dict:
    return json.loads(capsys.readouterr().out)


def test_a_factory_is_a_model_where_it_is_trusted(here, capsys) -> None:
    assert main(["model", "check", "model.py:build"]) == 2
    assert "--trust" in capsys.readouterr().err
    assert main(["model", "check", "model.py:build", "--trust", "--json"]) == 0
    found = said(capsys)
    assert found["ok"]
    assert found["input_shape"] == [1, 1, 224, 224]
    assert found["default_layer"] == "late"
    assert main(["model", "show", "model.py:build", "--trust", "--json"]) == 0
    assert said(capsys)["classes"] == ["0", "1", "2"]


def test_weights_with_a_factory_tell_classes_and_channels(here, capsys) -> None:
    for file, function, classes, channels in (("own.pth", "build", 3, 1), ("sized.pth", "sized", 5, 2)):
        assert main(["model", "show", file, "--arch", f"model.py:{function}", "--trust", "--json"]) == 0
        found = said(capsys)
        assert (len(found["classes"]), found["channels"]) == (classes, channels)


@pytest.mark.parametrize("source", [["own.pth", "--arch", "model.py:build"], ["model.py:build"]])
def test_init_check_show_explain(source, here, capsys) -> None:
    assert main(["model", "init", *source, "--trust", "--classes", "a,b,c", "--out", "card", "--size", "24x24"]) == 0
    assert "--trust" in capsys.readouterr().out
    (here / "model.py").rename(here / "away.py")  # the card's folder has its own
    assert main(["model", "check", "card", "--trust", "--json"]) == 0
    assert said(capsys)["input_shape"] == [1, 1, 24, 24]
    assert main(["model", "show", "card", "--trust", "--json"]) == 0
    shown = said(capsys)
    assert (shown["classes"], shown["channels"]) == (["a", "b", "c"], 1)
    Image.fromarray(np.arange(24 * 24, dtype="uint16").astype("uint8").reshape(24, 24)).save("a.png")
    assert main(["explain", "card", "a.png", "--trust", "--methods", "grad_cam", "--no-evidence", "--json"]) == 0
    assert said(capsys)["results"][0]["scores"][0]["class"] in "abc"


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["check", "model.py:biuld", "--trust"], "Did you mean 'build'?"),
        (["check", "model.py:needy", "--trust"], "needs 'n_classes', which nothing tells"),
        (["check", "modle.py:build", "--trust"], "There is no file 'modle.py'"),
        (["check", "torchvision:resnet18"], "is an architecture without weights"),
        (["init", "own.pth", "--arch", "model.py:build", "--trust", "--classes", "a,b"], "2 classes (a, b)"),
    ],
)
def test_what_is_wrong_with_a_factory_is_a_sentence(argv, sentence, here, capsys) -> None:
    assert main(["model", *argv]) == 2
    message = capsys.readouterr().err
    assert sentence in message
    assert message.count("\n") == 1


def test_a_pickled_object_is_named_at_once(here, capsys) -> None:
    torch.save(nn.Sequential(nn.Conv2d(1, 2, 3)), "pickled.pth")
    assert main(["model", "show", "pickled.pth"]) == 2
    assert "holds the pickled object 'torch.nn.modules.container.Sequential'" in capsys.readouterr().err
    assert main(["model", "show", "own.pth"]) == 2
    assert "--arch" in capsys.readouterr().err


def test_means_that_do_not_fit_are_named_and_the_weights_are_not_blamed(here, capsys) -> None:
    torch.save(torchvision.models.squeezenet1_1(num_classes=3).state_dict(), "squeezed.pth")
    start = ["model", "init", "squeezed.pth", "--arch", "torchvision:squeezenet1_1"]
    assert main([*start, "--mean", "1,2", "--std", "1,2"]) == 2
    assert capsys.readouterr().err.startswith("matxai: 'mean' has 2 values for 3 channels")
    assert main([*start, "--mean", "1,2"]) == 2
    message = capsys.readouterr().err
    assert "'mean' and 'std' are given together" in message
    assert "{" not in message


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.97])
def test_a_picture_that_is_cut_off_is_truncated(suffix, share, here, capsys) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (64, 64), dtype="uint8")).save(f"whole.{suffix}")
    data = (here / f"whole.{suffix}").read_bytes()
    (here / f"cut.{suffix}").write_bytes(data[: int(share * len(data))])
    assert main(["explain", "own.pth", f"cut.{suffix}", "--arch", "model.py:build", "--trust"]) == 2
    message = capsys.readouterr().err
    assert f"cut.{suffix} is truncated" in message
    assert "png_read" not in message


def test_baselines_of_spectra_are_not_those_of_images(here, capsys):
    (here / "matxai.yaml").write_text(
        "version: 1\nname: edges\ntask: classification\nclasses: [a, b]\ninput: {kind: 1d, channels: 1}\n"
        'weights: {command: [python, predict.py, "{input}", "{output}"]}\n'
    )
    assert main(["model", "show", ".", "--trust"]) == 0
    text = capsys.readouterr().out
    assert "baselines (black, white, constant, blur, noise, mean): made from each spectrum, in its own values" in text
    assert "image" not in text
    assert main(["model", "show", ".", "--trust", "--json"]) == 0
    assert set(said(capsys)["baselines"].values()) == {None}
    (here / "matxai.yaml").write_text((here / "matxai.yaml").read_text().replace("1d", "2d"))
    assert main(["model", "show", ".", "--trust"]) == 0
    assert "of an 8-bit image, the mean of each channel" in capsys.readouterr().out

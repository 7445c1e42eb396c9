"""A program in the place of weights: run without a shell, trusted by the user, and what is said when it fails."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch

import matxai
import matxai.explanation
from matxai.cli.main import main
from matxai.errors import CardError, MethodError, ModelError, UnsafeFileError
from matxai.modelcard import describe, load_model
from matxai.modelcard.command import Command, split

PREDICT = """
import json, sys, time
import numpy as np

given, written, how = sys.argv[1], sys.argv[2], (sys.argv + ["well"])[3]
with open("calls.txt", "a") as log:
    log.write(f"{how}\\n")
batch = np.load(given)
scores = np.stack([batch[:, :, 2:5, 2:5].mean((1, 2, 3)), batch.mean((1, 2, 3))], 1)
if how == "fails":
    print("no such weights", file=sys.stderr)
    sys.exit(3)
if how == "sleeps":
    time.sleep(30)
if how == "short":
    scores = scores[:-1]
if how == "text":
    open(written, "w").write("nothing to see")
elif how != "silent":
    if written.endswith(".csv"):
        np.savetxt(written, scores, delimiter=",")
    elif written.endswith(".json"):
        json.dump(scores.tolist(), open(written, "w"))
    else:
        np.save(written, scores)
"""
X = torch.rand(2, 1, 9, 8, generator=torch.Generator().manual_seed(0))
WORDS = [sys.executable, "predict.py", "{input}"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "predict.py").write_text(PREDICT)
    return tmp_path


def wanted(x: torch.Tensor) -> torch.Tensor:
    return torch.stack([x[:, :, 2:5, 2:5].mean((1, 2, 3)), x.mean((1, 2, 3))], 1)


def test_a_command_is_asked_once_for_each_batch(here):
    model = load_model(command=[*WORDS, "{output}"], kind="2d", channels=1, classes=["hot", "all"])
    assert model.black_box
    assert model.architecture == "black box (command)"
    assert "predictions only" in describe(model)["black_box"]
    assert not (here / "calls.txt").exists()  # nothing ran so far
    assert any("task: classification assumed" in sentence for sentence in model.assumptions)
    got = matxai.attribute(model.module, X, "occlusion", 0, budget=16)["occlusion"]
    want = matxai.attribute(matxai.black_box(lambda a: wanted(torch.from_numpy(a))), X, "occlusion", 0, budget=16)
    assert torch.allclose(got, want["occlusion"], atol=1e-6)
    assert (here / "calls.txt").read_text().count("well") == 2  # the clean batch, and one block of copies


@pytest.mark.parametrize("place", ["{output}", "{output.npy}", "{output.csv}", "{output.json}"])
def test_scores_come_as_arrays_tables_or_lists(here, place):
    box = Command((*WORDS, place)).box()
    assert torch.allclose(box(X).float(), wanted(X), atol=1e-6)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((*WORDS, "{output}", "fails"), "ended with exit code 3: no such weights"),
        ((*WORDS, "{output}", "silent"), "ended well, but wrote no output.npy where it was told to"),
        (
            (*WORDS, "{output}", "short"),
            r"gave \(1, 2\) for \(2, 1, 9, 8\); it must give numbers with one row for each",
        ),
        ((*WORDS, "{output.json}", "text"), "wrote scores that cannot be read as json"),
        ((*WORDS, "{output.csv}", "text"), "wrote scores that cannot be read as csv"),
        (("./no-such-program", "{input}", "{output}"), "cannot be started: No such file"),
    ],
)
def test_what_goes_wrong_is_said_in_a_sentence(here, words, message):
    with pytest.raises(ModelError, match=message) as caught:
        Command(words).box()(X)
    assert str(caught.value).startswith("The command '")


def test_a_command_that_hangs_is_ended(here):
    with pytest.raises(ModelError, match=r"did not end within 1\.5 s"):
        Command((*WORDS, "{output}", "sleeps"), timeout=1.5).box()(X)


@pytest.mark.parametrize("text", ["python predict.py", "python predict.py {input}", "x {output} {output} {input}", ""])
def test_a_command_names_its_input_and_its_output(text):
    with pytest.raises(CardError, match=r"must say \{input\} where"):
        load_model(command=text)


def test_words_are_split_as_a_shell_would_and_nothing_is_expanded(here):
    assert split("'my prog' {input} --x=\"a b\" {output}") == ("my prog", "{input}", "--x=a b", "{output}")
    with pytest.raises(CardError, match="cannot be taken apart"):
        load_model(command="python 'predict.py {input} {output}")
    shouting = f"{sys.executable} predict.py {{input}} {{output}} ;touch$IFS'hacked'"
    Command(split(shouting)).box()(X)
    assert not (here / "hacked").exists()


def card(folder, weights: str) -> None:
    folder.mkdir()
    (folder / "predict.py").write_text(PREDICT)
    (folder / "matxai.yaml").write_text(
        "version: 1\nname: mine\ntask: classification\nclasses: [hot, all]\n"
        f"weights: {weights}\ninput: {{kind: 2d, channels: 1}}\n"
    )


def test_the_command_of_a_card_runs_only_where_it_is_trusted(here, tmp_path):
    line = f'{{command: ["{sys.executable}", predict.py, "{{input}}", "{{output}}"], batch: 3}}'
    card(tmp_path / "mine", line)
    with pytest.raises(UnsafeFileError, match="would run with your rights; allow it with trust=True"):
        load_model(tmp_path / "mine")
    model = load_model(tmp_path / "mine", trust=True)
    assert torch.allclose(model.module(X).float(), wanted(X), atol=1e-6)
    assert (tmp_path / "mine" / "calls.txt").exists()  # it ran in its own folder
    assert model.module.batch == 3
    own = load_model(tmp_path / "mine", command=[*WORDS, "{output.csv}"])  # the user's own command needs no trust
    assert own.classes == ("hot", "all")
    assert torch.allclose(own.module(X).float(), wanted(X), atol=1e-6)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("{command: [python, x]}", None),
        ("{comand: [python]}", "in 'weights', 'command': field required"),
        ("{command: []}", "'command': list should have at least 1 item"),
        ("3", "the name of a file, or 'command"),
        ("''", "the name of a file, or 'command"),
    ],
)
def test_a_card_says_where_its_command_is_wrong(tmp_path, weights, message):
    card(tmp_path / "mine", weights)
    with pytest.raises(CardError, match=message or r"must say \{input\} where") as caught:
        load_model(tmp_path / "mine", trust=True)
    if message:
        assert "line 5" in str(caught.value)


def test_what_a_command_is_not_given_with(here):
    command = [*WORDS, "{output}"]
    with pytest.raises(ModelError, match="its own architecture"):
        load_model(command=command, arch="toy:net")
    with pytest.raises(ModelError, match=r"predict\.py is no card"):
        load_model(here / "predict.py", command=command)
    with pytest.raises(ModelError, match="A module and a command were given"):
        load_model(torch.nn.Conv2d(1, 1, 1), command=command)
    with pytest.raises(ModelError, match="No model was named"):
        load_model()
    with pytest.raises(ModelError, match=r"is one as matxai\.black_box\(function\)"):
        load_model(lambda batch: batch)
    with pytest.raises(MethodError, match="needs the gradients"):
        matxai.attribute(load_model(command=command).module, X, "saliency")


def test_the_command_line_explains_with_a_command(here, capsys):
    from PIL import Image

    values = (np.random.default_rng(0).random((12, 10)) * 255).astype(np.uint8)
    Image.fromarray(values).save("a.png")
    command = f"{sys.executable} predict.py {{input}} {{output.csv}}"
    methods = ["occlusion", "rise", "lime", "kernel_shap"]
    common = ["--command", command, "--no-evidence", "--json", "--methods", ",".join(methods), "--budget", "9"]
    assert main(["explain", "a.png", *common, "--out", "bare"]) == 0
    assert not json.loads(capsys.readouterr().out)["failures"]
    calls = (here / "calls.txt").read_text().count("well")
    assert calls == 1 + len(methods)
    ds = matxai.load(here / "bare" / "results" / "a" / "explanation.nc")
    assert any("1 assumed" in sentence for sentence in matxai.explanation.provenance(ds)["assumptions"])
    box = load_model(matxai.black_box(lambda a: wanted(torch.from_numpy(a))), kind="2d")
    want = matxai.explain(box, matxai.read("a.png"), methods, budget=9)
    assert set(want.data_vars) >= set(methods)
    for name in want.data_vars:
        np.testing.assert_allclose(ds[name], want[name], atol=1e-6)
    assert main(["explain", "--command", "python predict.py", "a.png"]) == 2
    assert "must say {input}" in capsys.readouterr().err
    assert main(["explain", "mine"]) == 2
    assert "nothing to explain" in capsys.readouterr().err

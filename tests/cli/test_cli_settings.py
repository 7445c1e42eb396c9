"""Settings: every option of every command from the user's file and from variables, and a sentence for what is wrong."""

from __future__ import annotations

import json

import pytest

from matxai.cli import settings
from matxai.cli.main import build, main


@pytest.fixture
def write(tmp_path, monkeypatch):
    def put(text: str):
        file = tmp_path / "settings.yaml"
        file.write_text(text, encoding="utf-8")
        monkeypatch.setenv("MATXAI_CONFIG", str(file))
        return settings.load(build()).values

    return put


@pytest.mark.parametrize("command", ["list", "check", "show", "init"])
def test_common_options_reach_the_commands_of_a_group(command, write) -> None:
    assert write("json: true\n")["model"][command]["json"] is True


def test_a_list_becomes_the_text_of_the_line_and_the_nearer_setting_counts(write) -> None:
    values = write(
        "seed: 3\nexplain: {methods: [grad_cam, lrp], seed: 4, width-mm: 60, slice: all}\nmodel: {limit: 2GB}\n"
    )
    assert values["explain"] == {"methods": "grad_cam,lrp", "seed": "4", "width_mm": "60", "slices": "all"}
    assert values["demo"] == {"seed": "3"}
    assert values["model"]["check"] == {"limit": "2GB"}


def test_variables_work_for_every_option_of_every_command_but_trust(write, monkeypatch) -> None:
    for name, value in {
        "METHODS": "lrp", "ARCH": "toy:net", "SEED": "7", "MODEL_CHECK_ARCH": "toy:other", "TRUST": "1",
        "EXPLAIN_TRUST": "1", "EVIDENCE": "no",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"MATXAI_{name}", value)
    values = write("explain: {methods: grad_cam}\n")
    assert values["explain"] == {"methods": "lrp", "arch": "toy:net", "seed": "7", "evidence": False}
    assert values["model"]["check"] == {"arch": "toy:other"}
    assert values["model"]["show"] == {"arch": "toy:net"}


def test_no_option_is_left_out(monkeypatch) -> None:
    from matxai.cli.settings import FROM_THE_LINE, _options

    app = build()
    assert set(_options(app.commands["explain"])) >= {
        "methods",
        "target",
        "layers",
        "limit",
        "quiet",
        "verbose",
        "json",
    }
    assert not FROM_THE_LINE & set(_options(app.commands["explain"]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jsn: true\n", "'jsn', which is no option. Did you mean 'json'?"),
        (
            "explain: {method: lrp}\n",
            "'explain.method', which is no option of 'matxai explain'. Did you mean 'methods'?",
        ),
        ("model: {chek: {json: true}}\n", "'model.chek'"),
        ("doctor: {seed: 1}\n", "'doctor.seed'"),
        ("explain: {trust: true}\n", "'explain.trust', which is given on the line alone"),
        ("trust: true\n", "'trust', which is given on the line alone"),
        ("json: perhaps\n", "The setting 'json' in"),
        ("explain: {methods: true}\n", "is 'true'; it should be one value, or a list."),
        ("explain: lrp\n", "'explain', which is a command"),
        ("device:\n", "is empty"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(text, said, tmp_path, monkeypatch, capsys) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    monkeypatch.setenv("MATXAI_CONFIG", str(file))
    assert main(["doctor"]) == 2
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == 1


def test_a_settings_file_that_is_not_there_is_an_error_with_the_nearest_name(tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "settings.yaml").write_text("")
    monkeypatch.setenv("MATXAI_CONFIG", str(tmp_path / "setings.yaml"))
    assert main(["doctor"]) == 2
    assert "does not exist. Did you mean 'settings.yaml'?" in capsys.readouterr().err


def test_a_variable_that_cannot_be_is_named(monkeypatch, capsys) -> None:
    monkeypatch.setenv("MATXAI_SEED", "many")
    assert main(["demo"]) == 2
    assert "'--seed'" in (message := capsys.readouterr().err)
    assert message.rstrip().endswith("as the variable MATXAI_SEED says.")
    monkeypatch.setenv("MATXAI_JSON", "perhaps")
    assert main(["doctor"]) == 2
    assert "The variable MATXAI_JSON is 'perhaps'; it should be true or false." in capsys.readouterr().err


@pytest.mark.parametrize("how", ["file", "variable"])
def test_errors_are_json_where_settings_ask_for_it(how, write, monkeypatch, capsys) -> None:
    if how == "file":
        write("model: {json: true}\n")
    else:
        monkeypatch.setenv("MATXAI_JSON", "1")
    assert main(["model", "show", "nothing-of-the-kind"]) == 2
    assert "nothing-of-the-kind" in json.loads(capsys.readouterr().out)["error"]

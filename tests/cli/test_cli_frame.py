"""The frame of the command line: one sentence and an exit code for whatever goes wrong, and where options come from."""

from __future__ import annotations

import json

import pytest

from matxai.cli.main import main
from matxai.cli.options import comma_list, parse_bytes
from matxai.errors import MatxaiError
from matxai.methods.method import methods


def test_no_arguments_print_the_help(capsys) -> None:
    assert main([]) == 0
    assert "explain" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["exploin"], "No such command 'exploin'"),
        (["info"], "Missing argument"),
        (["info", "--nope", "a.tif"], "No such option: --nope"),
        (["info", "not-there.tif"], "not-there.tif does not exist"),
        (["methods", "gradcam"], "Did you mean 'grad_cam'"),
        (["datasets", "nothing-of-the-kind"], "There is no data set"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(argv, said, capsys) -> None:
    assert main(argv) == 2
    streams = capsys.readouterr()
    assert said in streams.err
    assert "Traceback" not in streams.err
    assert streams.err.strip().count("\n") == 0


@pytest.mark.parametrize("width", [60, 100, 200])
def test_methods_fit_the_terminal_and_keep_their_words_whole(width, monkeypatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["methods"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= min(width, 110)
    for whole in ("lrp:epsilon_alpha2_beta1_flat", "arXiv:1912.09818", "misleads"):
        assert whole in text
    assert text.count("\n\n") == len(list(methods)) - 1


def test_errors_are_json_for_programs(capsys) -> None:
    assert main(["info", "--json", "not-there.tif"]) == 2
    assert "not-there.tif" in json.loads(capsys.readouterr().out)["error"]


def test_a_fault_of_ours_is_said_as_one(monkeypatch, capsys) -> None:
    def broken() -> list[str]:
        raise ZeroDivisionError("x")

    monkeypatch.setattr("matxai.jobs.doctor._devices", broken)
    assert main(["doctor"]) == 2
    assert "A fault in matxai itself: ZeroDivisionError" in capsys.readouterr().err


def test_an_interrupt_ends_with_130(monkeypatch, capsys) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("matxai.jobs.doctor._devices", interrupted)
    assert main(["doctor"]) == 130
    assert "Interrupted" in capsys.readouterr().err


def test_options_come_from_the_line_then_variables_then_the_file(tmp_path, monkeypatch, capsys) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("doctor: {json: true}\n")
    monkeypatch.setenv("MATXAI_CONFIG", str(settings))
    assert main(["doctor"]) == 0
    assert json.loads(capsys.readouterr().out)["matxai"]
    monkeypatch.setenv("MATXAI_DOCTOR_JSON", "false")
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.startswith("matxai ")


@pytest.mark.parametrize("content", ["- a\n- b\n", "a: [1\n", "!!python/object/apply:os.system ['echo']\n"])
def test_a_bad_settings_file_is_named(content, tmp_path, monkeypatch, capsys) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text(content)
    monkeypatch.setenv("MATXAI_CONFIG", str(settings))
    assert main(["doctor"]) == 2
    assert "settings.yaml" in capsys.readouterr().err


def test_sizes_and_lists() -> None:
    assert parse_bytes("1.5 GB") == 1_500_000_000
    assert parse_bytes("12") == 12
    assert parse_bytes(None) is None
    assert comma_list(" a, b,") == ["a", "b"]
    assert comma_list("") is None
    with pytest.raises(MatxaiError, match="--limit many is no size"):
        parse_bytes("many")


def test_generated_data_are_made_from_the_command_line_and_others_are_not(tmp_path, capsys) -> None:
    folder = tmp_path / "powder"
    made = ["datasets", "powder_phases", "--make", str(folder), "-n", "6", "--leak", "holder", "--strength", "0"]
    assert main(made) == 0
    assert "6 files of 'powder_phases'" in capsys.readouterr().out
    assert len(list((folder / "files").iterdir())) == 6
    assert json.loads((folder / "generated.json").read_text())["leak"] == "holder"
    for argv, said in (
        (["datasets", "xsdd_steel_strip", "--make", str(folder)], "is got from"),
        (["datasets", "--make", str(folder)], "no name is given"),
        (["datasets", "powder_phases", "--make", str(folder), "--leak", "gian"], "leak"),
    ):
        assert main(argv) == 2
        assert said in capsys.readouterr().err
    assert main(["datasets", "powder_phases", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["powder_phases"]["can_be_made"] is True

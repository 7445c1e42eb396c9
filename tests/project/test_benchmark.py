"""The benchmark command runs from end to end, and what it writes can be read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "engine_ratios.py"
COST = SCRIPT.with_name("perturbation_cost.py")
SPECTRA = SCRIPT.with_name("spectra_ratios.py")


def test_the_benchmark_writes_its_tables(tmp_path: Path) -> None:
    figures, tables = tmp_path / "engine.json", tmp_path / "engine.md"
    command = [sys.executable, str(SCRIPT), "--json", str(figures), "--markdown", str(tables), "--device", "cpu"]
    small = ["--arch", "resnet18", "--size", "32", "--rounds", "1", "--batch", "1", "--rows", "grad_cam"]
    done = subprocess.run([*command, *small, "--only", "counts,kept,time"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]

    report = json.loads(figures.read_text())
    assert (report["format"], report["version"]) == ("matxai-benchmark", 2)
    assert {"torch", "device", "cpus", "threads", "captum", "autolrp"} <= report["environment"].keys()
    assert list(report["parts"]) == ["counts", "kept", "time"]
    rows = {part: row for part, (row,) in report["parts"].items()}
    counted = {who: found["value"] for who, found in rows["counts"]["candidates"].items() if "value" in found}
    assert 1 < counted["matxai"] <= rows["counts"]["aim"] == 1.05
    assert counted["bare PyTorch"] == counted["captum"]  # neither goes back beyond the layer
    assert counted["grad-cam"] == 2  # all the way to the input
    assert 0 < rows["kept"]["candidates"]["matxai"]["value"] < 1
    taken, ratios = rows["time"]["candidates"], rows["time"]["ratios"]
    (ours,), (theirs,) = taken["matxai"]["seconds"], taken["captum"]["seconds"]
    assert ratios["captum"]["median"] == ours / theirs
    assert (ratios["bare PyTorch"]["aim"], ratios["captum"]["rounds"]) == (0.65, 1)

    text = tables.read_text()
    assert "## Floating-point operations" in text
    assert "## Wall time" in text
    (line,) = [line for line in text.splitlines() if line.startswith("| Grad-CAM, last layer | 1.0 to 3.0 |")]
    assert "✓" in line


def test_the_cost_of_a_perturbation_check_is_printed_as_a_ratio(tmp_path: Path) -> None:
    figures = tmp_path / "cost.json"
    small = ["--arch", "resnet18", "--size", "32", "--image", "48x48", "--controls", "2", "--rounds", "1"]
    command = [sys.executable, str(COST), *small, "--json", str(figures)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(figures.read_text())
    assert (report["format"], report["version"], report["aim"]) == ("matxai-perturbation-cost", 1, 1.25)
    assert report["passes"] == 1 + 5 * 3
    ((check, bare),) = report["pairs"]
    assert report["ratio"] == check / bare
    assert list(report["fills_ms"]) == report["fills"]
    assert f"ratio {report['ratio']:.3f}" in done.stdout


def test_the_race_on_spectra_is_printed_as_ratios(tmp_path: Path) -> None:
    figures = tmp_path / "spectra.json"
    command = [sys.executable, str(SPECTRA), "--spectra", "4", "--points", "512", "--rounds", "1"]
    done = subprocess.run([*command, "--json", str(figures)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(figures.read_text())
    assert (report["format"], report["version"]) == ("matxai-spectra-benchmark", 1)
    assert (report["spectra"], report["points"]) == (4, 512)
    rows = {(row["net"], row["method"], row["peer"]): row for row in report["rows"]}
    assert len(rows) == 6
    assert {net for net, _, _ in rows} == {"plain", "residual"}
    for net in ("plain", "residual"):
        for method, peer in (("grad_cam", "captum"), ("lrp:epsilon_plus", "zennit")):
            row = rows[net, method, peer]
            ((ours, theirs),) = row["pairs"]
            assert row["ratio"] == ours / theirs
            assert f"{net:9} {method:17} {peer:7} ours {row['ours']:.3f}" in done.stdout

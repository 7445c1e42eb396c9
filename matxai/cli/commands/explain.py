"""``matxai explain``."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matxai.cli.options import (
    Arch,
    Device,
    Json,
    Limit,
    Out,
    Quiet,
    Seed,
    Talk,
    Trust,
    Verbose,
    comma_list,
    parse_bytes,
)

if TYPE_CHECKING:
    from matxai.jobs import Options, Run


def command_line() -> str:
    """Return the command as it was typed."""
    return shlex.join(["matxai", *sys.argv[1:]])


def _whole(text: str | None) -> Any:
    """A number where the text is one: classes and layers are named or counted."""
    return int(text) if text is not None and re.fullmatch(r"-?\d+", text) else text


PAIRS = {
    "span": ("no part of an axis. Write its two ends", "20:60"),
    "band": ("no band of frequency. Write its two ends", "5e4:2e5"),
    "doublet": ("no pair of peaks. Write their distance and how far it may be off", "13.6:0.5"),
}
"""Options of two numbers: what is wrong where they are none, and what would be right."""


def _pair(name: str, text: str) -> tuple[float, float]:
    """Return the two numbers of an option such as ``--span 20:60``."""
    first, colon, last = text.partition(":")
    try:
        if colon:
            return float(first), float(last)
    except ValueError:
        pass
    from matxai.errors import MatxaiError

    wrong, right = PAIRS[name]
    msg = f"--{name} {text} is {wrong}: --{name} {right}."
    raise MatxaiError(msg)


def _written(pair: tuple[float, float]) -> str:
    return ":".join(f"{v:.10g}" for v in pair)


def _again(model: str, inputs: list[str], options: Options, **others: Any) -> str:
    """Return the command that makes this run again, whatever variables and settings are set there."""
    words = ["matxai", "explain", model, *inputs, "--methods", ",".join(options.methods)]
    values: dict[str, Any] = {
        "target": options.target,
        "layers": ",".join(map(str, options.layers or ())) or None,
        "figures": ",".join(options.figures),
        "width-mm": f"{options.width_mm:g}",
        "controls": options.controls,
        "budget": options.budget,
        "tolerance": options.tolerance,
        "redraws": options.redraws,
        "reference": options.references,
        "doublet": [_written(pair) for pair in options.doublets],
        "e0": options.e0,
        "band": [_written(pair) for pair in options.bands],
        "contrast": options.contrast,
        "intensity": None if options.intensity == "linear" else options.intensity,
        "along": options.along,
        "second-axis": options.second_axis,
        "span": None if options.span is None else _written(options.span),
        "seed": options.seed,
        "slice": others["slices"],
        **{name: others[name] for name in ("dataset", "axis", "wavelength", "arch", "limit", "out", "command")},
    }
    for name, value in values.items():
        for one in value if isinstance(value, list | tuple) else () if value is None else (value,):
            words += [f"--{name}", str(one)]
    words.append("--evidence" if options.evidence else "--no-evidence")
    words += [] if options.zones else ["--no-zones"]
    flags = {"csv": options.csv, "common-scale": options.common_scale, "trust": others["trust"]}
    words += [f"--{name}" for name, given in flags.items() if given]
    return shlex.join(words)


def _card_and_files(model: str, inputs: list[str], command: str | None) -> tuple[str | None, list[str]]:
    """Return the model and the files: with a command the first word is a file like the others, unless it is a card."""
    from matxai.errors import FileError
    from matxai.modelcard.card import CARD_NAME

    path = Path(model)
    is_card = path.suffix == ".matxai" or path.name == CARD_NAME or (path / CARD_NAME).is_file()
    files = inputs if command is None or is_card else [model, *inputs]
    if not files:
        raise FileError(f"There is nothing to explain: write the files, folders or patterns behind {model}.")
    return (model if command is None or is_card else None), files


def summary(run: Run) -> tuple[str, dict[str, Any]]:
    """Return what a run found, for a person and for a program."""
    from matxai.explanation import provenance
    from matxai.jobs.reporting import bar_sentences
    from matxai.jobs.zoning import to_record
    from matxai.report.sentences import zones_lead

    lines: list[str] = []
    rows: list[dict[str, Any]] = []
    for one in run.done:
        known = provenance(one.explanation)
        top = (known.get("scores") or [{}])[0]
        probability = top.get("probability")
        said = "" if probability is None else f" ({100 * probability:.1f} %)"
        lines.append(f"{one.name}: {top.get('class', 'no class')}{said}")
        lines += [f"  {e['method']}: {e['sentence']}" for e in one.evidence]
        lines += [f"  {sentence}" for sentence in bar_sentences(one)]
        if one.zones is not None:
            lines.append(f"  zones: {one.zones if isinstance(one.zones, str) else zones_lead(one.zones)}")
        if one.seconds == 0:
            lines.append("  (taken up from an earlier run)")
        rows.append(
            {"file": one.name, "scores": known.get("scores"), "evidence": list(one.evidence), "folder": str(one.folder)}
            | ({} if one.zones is None else {"zones": to_record(one.zones)})
        )
    lines += [f"{name}: not done. {why}" for name, why in run.failures]
    lines += [f"{name}: left out. {why}" for name, why in run.left_out.items()]
    lines.append(f"report: {run.report}")
    document = {
        "results": rows,
        "failures": [{"file": n, "error": w} for n, w in run.failures],
        "left_out": run.left_out,
        "report": str(run.report),
        "tables": [str(t) for t in run.tables],
        "plots": [str(p) for p in run.plots],
    }
    return "\n".join(lines), document


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def explain(
        model: Annotated[
            str, typer.Argument(help="A model's card, file or name; with --command a card, if any.", show_default=False)
        ],
        inputs: Annotated[
            list[str] | None, typer.Argument(help="Files, folders or patterns.", show_default=False)
        ] = None,
        methods: Annotated[str | None, typer.Option(help="Names, separated by commas, or all.")] = None,
        target: Annotated[
            str | None, typer.Option(help="Class to explain, by name or number; default: the top one.")
        ] = None,
        layers: Annotated[str | None, typer.Option(help="Layers of the CAMs, separated by commas.")] = None,
        slices: Annotated[str | None, typer.Option("--slice", help="Slices of stacks: 10, 10:20 or all.")] = None,
        dataset: Annotated[str | None, typer.Option(help="Path of the dataset inside HDF5 or Zarr files.")] = None,
        figures: Annotated[str, typer.Option(help="Formats of the overlays: png, svg, pdf.")] = "png",
        width_mm: Annotated[float, typer.Option("--width-mm", help="Width of the overlays in millimetres.")] = 85.0,
        evidence: Annotated[bool, typer.Option(help="Remove the top of each map and compare with controls.")] = True,
        controls: Annotated[int, typer.Option(min=1, help="How many matched regions at most.")] = 19,
        csv: Annotated[bool, typer.Option("--csv", help="The numbers behind each overlay as CSV.")] = False,
        common_scale: Annotated[bool, typer.Option("--common-scale", help="One colour scale over all inputs.")] = False,
        budget: Annotated[
            int | None, typer.Option(min=1, help="Copies that a sampling method may run; default 64, masks 512.")
        ] = None,
        tolerance: Annotated[
            float | None,
            typer.Option(help="Stop sampling at this standard error, as a share of the map's largest."),
        ] = None,
        zones: Annotated[bool, typer.Option(help="Of spectra: a table of which zones decided.")] = True,
        redraws: Annotated[
            int,
            typer.Option(
                min=0, help="Redraws of a spectrum's noise, 50 or more, for the errors of its zones; 0: none."
            ),
        ] = 50,
        doublet: Annotated[
            list[str] | None,
            typer.Option(help="Peaks that are one zone: their distance and how far it may be off, 13.6:0.5; several."),
        ] = None,
        e0: Annotated[
            float | None,
            typer.Option("--e0", help="Where an absorption edge lies; default: where the curve rises most."),
        ] = None,
        band: Annotated[
            list[str] | None,
            typer.Option(help="Band of frequency that is a zone of a waveform, 5e4:2e5; several. Default: octaves."),
        ] = None,
        reference: Annotated[
            list[str] | None,
            typer.Option(
                help="What a spectrum's zones are compared with: Si, FILE.cif, LINES.csv, xps:Fe 2p; several phases."
            ),
        ] = None,
        contrast: Annotated[
            str | None,
            typer.Option(help="Folder of spectra of another class: what they have and this one lacks is asked about."),
        ] = None,
        axis: Annotated[
            str | None,
            typer.Option(help="What the axis of a spectrum is, where its file does not say: two_theta, energy, ..."),
        ] = None,
        wavelength: Annotated[
            float | None, typer.Option(help="Of the radiation in angstrom, where the file of a pattern does not say.")
        ] = None,
        intensity: Annotated[str, typer.Option(help="Scale of the plots of spectra: linear, sqrt or log.")] = "linear",
        along: Annotated[
            str | None, typer.Option(help="Axis of these plots: q, d_spacing, relative_energy; default: as measured.")
        ] = None,
        second_axis: Annotated[
            str | None, typer.Option("--second-axis", help="Another axis along their upper edge.")
        ] = None,
        span: Annotated[str | None, typer.Option(help="Part of the axis that they show: 20:60.")] = None,
        command: Annotated[
            str | None,
            typer.Option(help="A program in the place of the model: 'python predict.py {input} {output}'."),
        ] = None,
        out: Out = None,
        device: Device = None,
        seed: Seed = 0,
        arch: Arch = None,
        trust: Trust = False,
        limit: Limit = None,
        json: Json = False,
        quiet: Quiet = False,
        verbose: Verbose = False,
    ) -> None:
        """Maps, overlays, a table and a report of what a model looked at."""
        from matxai.engine import devices
        from matxai.jobs import Options, expand, explain_files
        from matxai.jobs.explaining import default_methods
        from matxai.modelcard import load_model
        from matxai.report.export import FORMATS

        talk = Talk(json=json, quiet=quiet, verbose=verbose)
        kinds = tuple(comma_list(figures) or ())
        wrong = [k for k in kinds if f".{k}" not in FORMATS]
        if wrong:
            from matxai.errors import MatxaiError

            msg = f"--figures {wrong[0]} is no format of overlays. Write png, svg or pdf."
            raise MatxaiError(msg)
        card, files = _card_and_files(model, inputs or [], command)
        loaded = load_model(
            card, arch=arch, trust=trust, limit=parse_bytes(limit), device=devices.choose(device), command=command
        )
        talk.assumed(loaded)
        found, failures = expand(
            files,
            loaded.kind,
            slices=slices,
            dataset=dataset,
            axis=axis,
            limit=parse_bytes(limit),
            wavelength=wavelength,
        )
        options = Options(
            methods=tuple(comma_list(methods) or default_methods(loaded, contrast=contrast is not None)),
            target=_whole(target),
            layers=tuple(_whole(name) for name in comma_list(layers) or ()) or None,
            figures=kinds,
            width_mm=width_mm,
            evidence=evidence,
            controls=controls,
            csv=csv,
            common_scale=common_scale,
            budget=budget,
            tolerance=tolerance,
            zones=zones,
            redraws=redraws,
            doublets=tuple(_pair("doublet", text) for text in doublet or ()),
            e0=e0,
            bands=tuple(_pair("band", text) for text in band or ()),
            references=tuple(reference or ()),
            contrast=contrast,
            intensity=intensity,
            along=along,
            second_axis=second_axis,
            span=None if span is None else _pair("span", span),
            seed=seed,
        )
        run = explain_files(
            loaded,
            found,
            out or Path("matxai-out"),
            options,
            command=_again(
                model,
                inputs or [],
                options,
                slices=slices,
                dataset=dataset,
                axis=axis,
                wavelength=wavelength,
                arch=arch,
                trust=trust,
                limit=limit,
                out=out,
                command=command,
            ),
            failures=failures,
            progress=talk.progress(),
        )
        talk.result(*summary(run))

"""``matxai leakage``."""

from __future__ import annotations

import re
import shlex
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
    from matxai.jobs import LeakageRun

LEAK, UNDECIDED = 1, 3
CODES = {"leak": LEAK, "cannot tell": UNDECIDED}
SWITCHES = ("supporting", "factors")
STRICT = ("leak", "suspicious", "cannot tell")


def exit_code(answer: str, *, strict: bool) -> int:
    """Return what the command ends with: 1 for a leak, 3 where nothing could be told, else 0.

    Examples
    --------
    >>> exit_code("suspicious", strict=False), exit_code("suspicious", strict=True)
    (0, 1)
    """
    return LEAK if strict and answer in STRICT else CODES.get(answer, 0)


def again(model: str, data: str, options: dict[str, Any], flags: dict[str, bool]) -> str:
    """Return the command that makes this run again, whatever variables and settings are set there."""
    words = ["matxai", "leakage", model, data]
    for name, value in options.items():
        if value is not None:
            words += [f"--{name}", str(value)]
    words += [f"--{'' if given else 'no-'}{name}" for name, given in flags.items() if given or name in SWITCHES]
    return shlex.join(words)


def summary(run: LeakageRun) -> tuple[str, dict[str, Any]]:
    """Return what a run found, for a person and for a program: the latter is what stands in ``verdict.json``."""
    import json

    found = run.leakage
    lines = [f"{found.answer}: {found.sentence}"]
    for finding in found.findings:
        verdict = finding.verdict
        lines.append(f"  {verdict.answer:<12}{finding.name.replace('_', ' ')}: {verdict.sentence}")
    lines += [f"note: {note}" for note in run.data.labelled.notes]
    lines += [why if name in why else f"{name}: not used. {why}" for name, why in run.data.failures]
    if run.remedied is not None:
        first, *others = run.remedied.sentences
        lines += [f"remedy: {first}", *(f"  {said}" for said in (*others, *run.remedied.notes))]
    lines.append(f"report: {run.report}")
    document = json.loads(run.verdict.read_text(encoding="utf-8"))
    document["notes"] = list(run.data.labelled.notes)
    files = {"report": run.report, "verdict": run.verdict, "junit": run.junit}
    document["files"] = {**{k: str(v) for k, v in files.items()}, "tables": [str(t) for t in run.tables]}
    if run.remedied is not None:
        document["remedy"] = run.remedied.to_dict()
    return "\n".join(lines), document


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def leakage(
        model: Annotated[str, typer.Argument(help="A model's card, file or name.", show_default=False)],
        data: Annotated[
            str,
            typer.Argument(
                help="A folder with a sub-folder for each class or with labels.csv, or a table.", show_default=False
            ),
        ],
        group: Annotated[
            str | None, typer.Option(help="Column of what is not independent: specimen, session. Default: group.")
        ] = None,
        split: Annotated[str | None, typer.Option(help="Part of the table: test (the default), all, ...")] = None,
        artefacts: Annotated[str | None, typer.Option(help="Kinds to look for, separated by commas.")] = None,
        methods: Annotated[
            str | None, typer.Option(help="Methods for the shares of relevance, separated by commas, or all.")
        ] = None,
        layers: Annotated[str | None, typer.Option(help="Layers of the CAMs among them, separated by commas.")] = None,
        supporting: Annotated[bool, typer.Option(help="Tests beside the exchange: removal, relevance, ...")] = True,
        factors: Annotated[bool, typer.Option(help="File type, size, brightness: what is not in the picture.")] = True,
        margin: Annotated[float, typer.Option(help="Largest effect that counts as none.")] = 0.05,
        remedy: Annotated[
            Path | None, typer.Option(help="New folder for a cleaned set and models fitted on it.", file_okay=False)
        ] = None,
        retrain: Annotated[
            str | None,
            typer.Option(
                help="With --remedy: auto (the default: the head, and the network where that does not suffice), head, "
                "network, recipe (from random weights), several with a comma between, or none."
            ),
        ] = None,
        strict: Annotated[
            bool, typer.Option("--strict", help="End with 1 where it is suspicious or undecided.")
        ] = False,
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
        """Whether a model reads info bars, labels or file types instead of the specimen."""
        from matxai.checks.leak.cams import check_cams
        from matxai.checks.leak.permitted import check_levels
        from matxai.engine import devices
        from matxai.errors import Cancelled, MatxaiError
        from matxai.jobs import check_leakage
        from matxai.jobs.leak_options import checked_kinds, checked_methods
        from matxai.jobs.leaking import data_of
        from matxai.jobs.remedy import ways_to_retrain
        from matxai.modelcard import load_model

        talk = Talk(json=json, quiet=quiet, verbose=verbose)
        kinds = checked_kinds(comma_list(artefacts))
        chosen = checked_methods(comma_list(methods) or ())
        at = [int(name) if re.fullmatch(r"-?\d+", name) else name for name in comma_list(layers) or ()]
        check_cams(at, chosen, supporting=supporting)
        check_levels(margin)
        ways = ways_to_retrain(comma_list(retrain) or ["auto"])
        if retrain is not None and remedy is None:
            msg = f"--retrain {retrain} is about a cleaned set; name its folder with --remedy DIR."
            raise MatxaiError(msg)
        most = parse_bytes(limit)
        loaded = load_model(model, arch=arch, trust=trust, limit=most, device=devices.choose(device))
        talk.assumed(loaded)
        folder = out or Path("matxai-leakage")
        options = {
            "group": group,
            "split": split,
            "artefacts": artefacts,
            "methods": methods,
            "layers": layers,
            "margin": f"{margin:g}",
            "remedy": remedy,
            "retrain": retrain,
            "seed": seed,
            "arch": arch,
            "limit": limit,
            "out": out,
        }
        verdict = folder / "verdict.json"
        before = verdict.stat().st_mtime_ns if verdict.is_file() else None
        try:
            read = data_of(data, loaded, group=group, split=split, limit=most, progress=talk.progress())
            run = check_leakage(
                loaded,
                read,
                folder,
                kinds=kinds,
                methods=chosen,
                layers=at or None,
                supporting=supporting,
                factors=factors,
                margin=margin,
                remedy=remedy,
                retrain=ways,
                seed=seed,
                command=again(
                    model,
                    data,
                    options,
                    {"supporting": supporting, "factors": factors, "strict": strict, "trust": trust},
                ),
                progress=talk.progress(),
            )
        except KeyboardInterrupt:
            new = verdict.is_file() and verdict.stat().st_mtime_ns != before
            said = f"the verdict is kept in {verdict}" if new else "a verdict needs the whole set, so none was written"
            raise Cancelled(f"Interrupted; {said}.") from None
        talk.result(*summary(run))
        raise typer.Exit(exit_code(run.leakage.answer, strict=strict))

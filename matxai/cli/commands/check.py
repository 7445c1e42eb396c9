"""``matxai check``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matxai.cli.options import (
    Arch,
    Device,
    Json,
    Limit,
    Quiet,
    Seed,
    Talk,
    Trust,
    Verbose,
    parse_bytes,
)
from matxai.errors import MatxaiError

if TYPE_CHECKING:
    from matxai.jobs.checking import CheckRun

BROKEN, UNDECIDED = 1, 3
NEW = "new"


def exit_code(answer: str, *, strict: bool) -> int:
    """Return what the command ends with: 0 where all holds, 1 where something is broken, 3 where nothing was decided.

    Examples
    --------
    >>> exit_code("inconclusive", strict=False), exit_code("inconclusive", strict=True)
    (3, 1)
    """
    if answer == "inconclusive":
        return BROKEN if strict else UNDECIDED
    return BROKEN if answer == "broken" else 0


def new(talk: Talk, template: str | None, examples: list[str], out: Path | None) -> None:
    """Write a file of expectations, or print it where no file is named."""
    from matxai.checks.expect.templates import template_names, title
    from matxai.jobs import draft_expectations

    if template is None and not examples and out is None:
        known = {name: title(name) for name in template_names()}
        lines = [f"  {name:<18}{what}" for name, what in known.items()]
        talk.result("\n".join(["Templates, for --template:", *lines]), {"templates": known})
        return
    text = draft_expectations(template, examples, out=out)
    if out is None:
        talk.result(text.rstrip("\n"), {"text": text})
    else:
        talk.result(f"{out} is written; check it with 'matxai check {out}'.", {"file": str(out)})


def again(file: str, options: dict[str, Any], flags: dict[str, bool]) -> str:
    """Return the command that makes this run again, whatever variables and settings are set there."""
    words = ["matxai", "check", file]
    for name, value in options.items():
        if value is not None:
            words += [f"--{name}", str(value)]
    words += [f"--{name}" for name, given in flags.items() if given]
    return shlex.join(words)


def summary(run: CheckRun) -> tuple[str, dict[str, Any]]:
    """Return what a run found, for a person and for a program: the latter is what stands in ``verdict.json``."""
    import json

    found = run.checked
    lines = [f"{found.answer}: {found.sentence}"]
    for finding in found.findings:
        word = finding.verdict.answer if finding.demanded else "reported"
        lines.append(f"  {word:<13}{finding.verdict.sentence}")
    if found.score is not None:
        lines.append(f"weight of what holds: {100 * found.score:.0f} %")
    lines += [f"note: {note}" for note in run.data.labelled.notes]
    lines += [why if Path(name).name in why else f"{name}: not used. {why}" for name, why in run.data.failures]
    lines.append(f"report: {run.report}")
    document = json.loads(run.verdict.read_text(encoding="utf-8"))
    document["notes"] = list(run.data.labelled.notes)
    files = {"report": run.report, "verdict": run.verdict, "junit": run.junit}
    document["files"] = {**{k: str(v) for k, v in files.items()}, "tables": [str(t) for t in run.tables]}
    return "\n".join(lines), document


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def check(
        file: Annotated[
            str, typer.Argument(help="A file of expectations, or the word new: writes one.", show_default=False)
        ],
        model: Annotated[
            str | None, typer.Option(help="A model's card, file or name; default: what the file names.")
        ] = None,
        data: Annotated[
            str | None, typer.Option(help="Labelled folder or table; default: what the file names.")
        ] = None,
        group: Annotated[
            str | None, typer.Option(help="Column of what is not independent: specimen, session. Default: group.")
        ] = None,
        split: Annotated[str | None, typer.Option(help="Part of the table: test (the default), all, ...")] = None,
        template: Annotated[
            str | None, typer.Option(help="With new: defects, crack_tips, phases, diffraction_peaks, ...")
        ] = None,
        examples: Annotated[
            list[str] | None,
            typer.Option("--from", help="With new: a card, data, a signal, a label image or a list of peaks."),
        ] = None,
        strict: Annotated[bool, typer.Option("--strict", help="End with 1 where something is undecided.")] = False,
        out: Annotated[
            Path | None, typer.Option("--out", help="Folder for the results; with new: the file to write.")
        ] = None,
        device: Device = None,
        seed: Seed = 0,
        arch: Arch = None,
        trust: Trust = False,
        limit: Limit = None,
        json: Json = False,
        quiet: Quiet = False,
        verbose: Verbose = False,
    ) -> None:
        """Whether a model uses what an expert says that it must, and not what it must not. 'check new' writes a file.

        matxai check new --template defects --out my.yaml writes a file to start from; --from fills in classes, paths
        and places from an example.
        """
        talk = Talk(json=json, quiet=quiet, verbose=verbose)
        if file == NEW:
            new(talk, template, examples or [], out)
            return
        if template is not None or examples:
            msg = "--template and --from are for a new file: matxai check new --template defects --out my.yaml"
            raise MatxaiError(msg)
        from matxai.errors import Cancelled
        from matxai.jobs.checking import check_expectations, prepared

        folder = out or Path("matxai-check")
        try:
            asked, loaded, read = prepared(
                file,
                model,
                data,
                group=group,
                split=split,
                device=device,
                arch=arch,
                trust=trust,
                limit=parse_bytes(limit),
                progress=talk.progress(),
            )
            talk.assumed(loaded)
            options = {
                "model": model,
                "data": data,
                "group": group,
                "split": split,
                "seed": seed,
                "arch": arch,
                "limit": limit,
                "out": out,
            }
            run = check_expectations(
                asked,
                loaded,
                read,
                folder,
                seed=seed,
                command=again(file, options, {"strict": strict, "trust": trust}),
                progress=talk.progress(),
            )
        except KeyboardInterrupt:
            msg = "Interrupted; a verdict needs all samples, so none was written."
            raise Cancelled(msg) from None
        talk.result(*summary(run))
        raise typer.Exit(exit_code(run.checked.answer, strict=strict))

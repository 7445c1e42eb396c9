"""``matxai demo``."""

from __future__ import annotations

from pathlib import Path

import typer

from matxai.cli.options import Device, Json, Out, Quiet, Seed, Talk, Verbose


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def demo(
        out: Out = None,
        device: Device = None,
        seed: Seed = 0,
        json: Json = False,
        quiet: Quiet = False,
        verbose: Verbose = False,
    ) -> None:
        """The main job end to end, on data and models that come with matxai."""
        from matxai.cli.commands.explain import command_line, summary
        from matxai.jobs import Options, demonstrate
        from matxai.jobs.demonstration import METHODS

        talk = Talk(json=json, quiet=quiet, verbose=verbose)
        talk.say("explaining six micrographs with a sound model and its leaky twin, and a crack with a U-Net ...")
        found = demonstrate(
            out or Path("matxai-demo"),
            options=Options(methods=METHODS, seed=seed),
            device=device,
            command=command_line(),
            progress=talk.progress(),
        )
        _, document = summary(found.run)
        lines = [found.sentence]
        for label, facts in found.facts.items():
            lines += [label, *(f"  {name}: {value}" for name, value in facts.items())]
        lines.append(f"report: {found.run.report}")
        talk.result("\n".join(lines), {**document, "sentence": found.sentence, "facts": found.facts})

"""``matxai model init|check|show|list``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from matxai.cli.options import Arch, Json, Limit, Quiet, Talk, Trust, Verbose, comma_list, parse_bytes

CheckDevice = Annotated[str | None, typer.Option("--device", help="cpu, cuda, cuda:1, mps; by default the cpu.")]
Source = Annotated[
    str,
    typer.Argument(
        help="A card's folder, NAME.matxai, a .pt2, weights, model.py:build, or a name.", show_default=False
    ),
]


def _rows(document: dict[str, Any]) -> str:
    width = max(len(k) for k in document)
    lines = []
    for key, value in document.items():
        if isinstance(value, (list, tuple)):
            value = ", ".join(map(str, value))
        if value not in (None, ""):
            lines.append(f"{key:<{width}}  {value}")
    return "\n".join(lines)


def _baselines(seen: dict[str, list[float] | None], kind: str) -> list[str]:
    """Return a line for each baseline: what the network sees of it, channel by channel; for spectra a single line.

    Parameters
    ----------
    seen
        As :func:`matxai.explanation.baselines_seen` returns them.
    kind
        Of the model's input: a spectrum has no range like that of an 8-bit image, so that nothing is known beforehand.
    """
    if kind.startswith("1"):
        return [f"baselines ({', '.join(seen)}): made from each spectrum, in its own values"]
    lines = ["baselines as the network sees them (of an 8-bit image, the mean of each channel):"]
    for name, numbers in seen.items():
        text = ", ".join(f"{v:.4g}" for v in numbers) if numbers is not None else "made from each input"
        lines.append(f"  {name:<10}{text}")
    return lines


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Cards, and the models that come with matxai.", no_args_is_help=True)
    app.add_typer(group, name="model")

    @group.command("list")
    def list_them(json: Json = False, quiet: Quiet = False, verbose: Verbose = False) -> None:
        """The models that come with matxai."""
        from matxai.modelcard import list_models

        talk = Talk(json=json, quiet=quiet, verbose=verbose)
        rows = list_models()
        lines = [
            f"{r['name']:<16} {r.get('task', '')}: {', '.join(r.get('classes', [])) or r.get('problem', '')}"
            for r in rows
        ]
        talk.result("\n".join(lines), rows)

    @group.command()
    def show(
        model: Source,
        arch: Arch = None,
        trust: Trust = False,
        limit: Limit = None,
        json: Json = False,
        quiet: Quiet = False,
        verbose: Verbose = False,
    ) -> None:
        """What a model is: task, classes, input, preprocessing, licence, and what was assumed."""
        from matxai.explanation import baselines_seen
        from matxai.modelcard import describe, load_model

        talk = Talk(json=json, quiet=quiet, verbose=verbose)
        loaded = load_model(model, arch=arch, trust=trust, limit=parse_bytes(limit))
        document, seen = describe(loaded), baselines_seen(loaded)
        lines = [_rows(document), *_baselines(seen, loaded.kind)]
        talk.result("\n".join(lines), {**document, "baselines": seen})

    @group.command()
    def check(
        model: Source,
        arch: Arch = None,
        trust: Trust = False,
        limit: Limit = None,
        device: CheckDevice = None,
        json: Json = False,
        quiet: Quiet = False,
        verbose: Verbose = False,
    ) -> None:
        """Run the model once: its layers, its default layer, and whether it answers as its card says."""
        from matxai.engine import devices
        from matxai.jobs import check_model
        from matxai.modelcard import load_model

        talk = Talk(json=json, quiet=quiet, verbose=verbose)
        where = None if device is None else devices.choose(device)  # a reference is held against the CPU's numbers
        loaded = load_model(model, arch=arch, trust=trust, limit=parse_bytes(limit), device=where)
        found = check_model(loaded)
        lines = [f"{found.name}: {'ok' if found.ok else 'not as its card says'}", f"input {tuple(found.input_shape)}"]
        for name, shape in found.layers:
            mark = "  <- default" if name == found.default_layer else ""
            lines.append(f"  {name:<28} {' x '.join(map(str, shape[1:]))}{mark}")
        if found.reference is not None:
            lines.append(f"reference output reproduced to {found.reference:.2g} of its largest value")
        lines += [
            *_baselines(found.baselines, loaded.kind),
            *found.findings,
            *(f"assumed: {a}" for a in found.assumptions),
        ]
        talk.result("\n".join(lines), found.to_dict())
        raise typer.Exit(0 if found.ok else 1)

    @group.command()
    def init(
        weights: Annotated[
            Path, typer.Argument(help="Safetensors, a checkpoint, a .pt2, or model.py:build.", show_default=False)
        ],
        out: Annotated[Path | None, typer.Option("--out", help="A folder, or NAME.matxai.")] = None,
        arch: Arch = None,
        trust: Trust = False,
        name: Annotated[str | None, typer.Option(help="What the model is called.")] = None,
        task: Annotated[str | None, typer.Option(help="classification, segmentation, detection or regression.")] = None,
        classes: Annotated[str | None, typer.Option(help="Names of the outputs, separated by commas.")] = None,
        size: Annotated[str | None, typer.Option(help="Input size, as in 224x224.")] = None,
        mean: Annotated[str | None, typer.Option(help="Mean of each channel, separated by commas.")] = None,
        std: Annotated[str | None, typer.Option(help="Deviation of each channel, separated by commas.")] = None,
        licence: Annotated[str | None, typer.Option(help="Licence of the weights.")] = None,
        overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a card that is there.")] = False,
        limit: Limit = None,
        json: Json = False,
        quiet: Quiet = False,
        verbose: Verbose = False,
    ) -> None:
        """Write a card for weights that exist, with the weights beside it."""
        from matxai.errors import CardError
        from matxai.modelcard import init_card

        talk = Talk(json=json, quiet=quiet, verbose=verbose)
        try:
            numbers = {k: [float(v) for v in comma_list(t) or []] for k, t in (("mean", mean), ("std", std)) if t}
            pixels = [int(p) for p in size.lower().split("x")] if size else None
        except ValueError as error:
            msg = f"--size, --mean and --std take numbers, as in --size 224x224 --mean 0.5: {error}."
            raise CardError(msg) from error
        fields: dict[str, Any] = {
            "name": name,
            "task": task,
            "classes": comma_list(classes),
            "licence": licence,
            "size": pixels,
            **numbers,
        }
        given = {k: v for k, v in fields.items() if v is not None}
        made = init_card(
            weights, out=out, arch=arch, trust=trust, overwrite=overwrite, limit=parse_bytes(limit), **given
        )
        unsaid = [f"--{k}" for k, v in (("size", pixels), ("mean", mean), ("std", std)) if not v]
        if unsaid:
            talk.say(
                f"the card does not say {', '.join(unsaid)}: images reach the network as they are but for what it says"
            )
        text = f"wrote {made}; try it with: matxai model check {made}{' --trust' if trust else ''}"
        talk.result(text, {"model": str(made)})

"""The program ``matxai``: gathers the commands, and turns errors into one sentence and an exit code.

Exit codes: 0 all hold or nothing seen, 1 broken or leak, 2 bad input, 3 nothing could be decided, 130 interrupted.
"""

from __future__ import annotations

import importlib
import json
import logging
import pkgutil
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import typer
import typer.main

from matxai._version import __version__
from matxai.cli import commands, remarks, settings
from matxai.cli.options import ended
from matxai.errors import MatxaiError

INTERRUPTED = 130
BAD_INPUT = 2

# typer carries its own copy of click from 0.26 on and used the package before: the family is found from typer itself
_WRONG_USAGE: tuple[type[Exception], ...] = tuple(
    c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException" and issubclass(c, Exception)
)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"matxai {__version__}")
        raise typer.Exit


def build() -> Any:
    """Return the whole command line, a command of click's, without importing anything heavy."""
    app = typer.Typer(
        name="matxai",
        help="What did my network look at, and can I trust it? Explains neural networks on micrographs and spectra.",
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )

    @app.callback()
    def top(
        version: bool = typer.Option(
            False, "--version", callback=_version, is_eager=True, show_envvar=False, help="Print the version."
        ),
    ) -> None:
        """Hold the options that stand before any command."""

    for module in sorted(m.name for m in pkgutil.iter_modules(commands.__path__)):
        importlib.import_module(f"{commands.__name__}.{module}").register(app)
    return typer.main.get_command(app)


class _Voice:
    """How the program speaks of errors: to a person on stderr, and to a program on stdout where JSON is asked for."""

    def __init__(self, *, json: bool) -> None:
        self.json = json

    def say(self, message: str) -> None:
        if self.json:
            sys.stdout.write(json.dumps({"error": message}) + "\n")
        sys.stderr.write(f"matxai: {message}\n")


def _usage(error: Exception, arguments: Sequence[str], found: settings.Settings, way: tuple[str, ...]) -> str:
    """Return the sentence for a line that cannot be, with the setting or variable that it comes from."""
    text = str(error.format_message()) if hasattr(error, "format_message") else str(error)
    option = getattr(error, "param", None)
    origin = found.origins.get((*way, str(getattr(option, "name", ""))))
    typed = any(word.partition("=")[0] in getattr(option, "opts", ()) for word in arguments)
    if origin is not None and not typed:
        return ended(f"{text.rstrip('. ')}, as {origin} says")
    return f"{ended(text)} See 'matxai --help'."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    argv
        Arguments without the program's name; by default those of the process.
    """
    arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    for stream in (sys.stdout, sys.stderr):  # a console that lacks a sign of ours must not end the program
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    with remarks.heard():
        return _run(arguments, _Voice(json="--json" in arguments))


def _run(arguments: list[str], voice: _Voice) -> int:
    found = settings.Settings()
    way: tuple[str, ...] = ()
    try:
        app = build()
        found, way = settings.load(app), settings.called(app, arguments)
        voice.json = voice.json or found.switched_on(way, "json")
        code = app(args=arguments, prog_name="matxai", standalone_mode=False, default_map=found.values)
    except typer.Abort:
        voice.say("Interrupted.")
        return INTERRUPTED
    except _WRONG_USAGE as error:
        voice.say(_usage(error, arguments, found, way))
        return BAD_INPUT
    except MatxaiError as error:
        voice.say(ended(str(error)))
        return error.exit_code
    except KeyboardInterrupt:
        voice.say("Interrupted; what was finished is kept.")
        return INTERRUPTED
    except BrokenPipeError:
        return 0  # the reader of a pipe has had enough
    except Exception as error:  # noqa: BLE001 - the last line of defence: a fault of ours, said as one
        logging.getLogger("matxai").debug("%s", traceback.format_exc())
        voice.say(
            f"A fault in matxai itself: {type(error).__name__}: {error}. Run again with --verbose for the trace, "
            "and please report it with the output of 'matxai doctor'."
        )
        return BAD_INPUT
    if code == INTERRUPTED:  # newer typer turns an interrupt into this code without a word
        voice.say("Interrupted; what was finished is kept.")
    return int(code) if isinstance(code, int) else 0


def run() -> None:
    """Entry point of the console script."""
    sys.exit(main())

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
from collections.abc import Callable, Sequence
from typing import Any

import typer
import typer.main

from matxai._version import __version__
from matxai.cli import commands, settings
from matxai.errors import Cancelled, MatxaiError

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


def build() -> Callable[..., Any]:
    """Return the whole command line, without importing anything heavy."""
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


def _say(message: str, argv: Sequence[str]) -> None:
    """Print an error for a person on stderr, or for a program on stdout where ``--json`` was given."""
    if "--json" in argv:
        sys.stdout.write(json.dumps({"error": message}) + "\n")
    sys.stderr.write(f"matxai: {message}\n")


def _sentence(error: Exception) -> str:
    text = str(error.format_message()) if hasattr(error, "format_message") else str(error)
    return text.rstrip(". ") + "."


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
    try:
        code = build()(
            args=arguments,
            prog_name="matxai",
            standalone_mode=False,
            default_map=settings.defaults(),
            auto_envvar_prefix="MATXAI",
        )
    except typer.Abort:
        _say("Interrupted.", arguments)
        return INTERRUPTED
    except _WRONG_USAGE as error:
        _say(f"{_sentence(error)} See 'matxai --help'.", arguments)
        return BAD_INPUT
    except Cancelled as error:
        _say(str(error), arguments)
        return INTERRUPTED
    except MatxaiError as error:
        _say(str(error), arguments)
        return error.exit_code
    except KeyboardInterrupt:
        _say("Interrupted; what was finished is kept.", arguments)
        return INTERRUPTED
    except BrokenPipeError:
        return 0  # the reader of a pipe has had enough
    except Exception as error:  # noqa: BLE001 - the last line of defence: a fault of ours, said as one
        logging.getLogger("matxai").debug("%s", traceback.format_exc())
        _say(
            f"A fault in matxai itself: {type(error).__name__}: {error}. Run again with --verbose for the trace, "
            "and please report it with the output of 'matxai doctor'.",
            arguments,
        )
        return BAD_INPUT
    if code == INTERRUPTED:  # newer typer turns an interrupt into this code without a word
        _say("Interrupted; what was finished is kept.", arguments)
    return int(code) if isinstance(code, int) else 0


def run() -> None:
    """Entry point of the console script."""
    sys.exit(main())

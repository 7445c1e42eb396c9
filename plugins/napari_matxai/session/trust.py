"""Which models may run Python or a command of their own: never, when the user was asked for that very code, always."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from matxai.errors import MatxaiError

if TYPE_CHECKING:
    from matxai.modelcard import Card

Policy = Literal["never", "ask", "always"]
POLICIES: tuple[str, ...] = get_args(Policy)


class Trust:
    """What may run. What the user allowed holds for this code as it is now, and for as long as the session lasts.

    Parameters
    ----------
    policy
        ``never``; ``ask``: what was allowed by :meth:`allow`; ``always``.
    """

    def __init__(self, policy: Policy = "ask") -> None:
        self.policy: Policy = policy
        self._allowed: set[str] = set()

    def must_ask(self, source: str, arch: str | None = None) -> str:
        """Return what would run to open a model, where the user has to be asked for it first; else nothing.

        Raises
        ------
        MatxaiError
            If there is no such model, or its card is wrong.
        """
        code = code_of(source, arch) if self.policy == "ask" else ""
        return "" if code in self._allowed else code

    def allow(self, code: str) -> None:
        """Let this code run from now on, as :meth:`must_ask` named it; what it becomes later is other code."""
        self._allowed.add(code)

    def given(self, source: str, arch: str | None = None) -> bool:
        """Return whether a model needs trust and has it.

        Raises
        ------
        MatxaiError
            If it needs trust and has none: one sentence on where it can be given; if its card is wrong.
        """
        code = code_of(source, arch)
        if not code:
            return False
        if self.policy == "always" or (self.policy == "ask" and code in self._allowed):
            return True
        where = "Preferences > matxai > Models that run code"
        if self.policy == "ask":
            raise MatxaiError(f"{code} was not allowed to run; open the model again to be asked. See {where}.")
        raise MatxaiError(f"{code} would run, and {where} says never.")


def code_of(source: str, arch: str | None = None) -> str:
    """Return what of a model's own would run to open it, with the SHA-256 of a file; empty where nothing would.

    Parameters
    ----------
    source
        Name or path of a model, or the name of a Python factory.
    arch
        Of which network a file's weights were said to be.

    Raises
    ------
    MatxaiError
        If there is no such model, or its card is wrong.
    """
    from matxai.modelcard.architectures import is_architecture, python_of
    from matxai.modelcard.contents import Content, content_of
    from matxai.modelcard.finding import find_model

    if arch:
        return python_of(arch)
    if not Path(source).exists() and is_architecture(source):
        return python_of(source)
    path = find_model(source)
    if path.is_dir() or content_of(path) is Content.CARD_ARCHIVE:
        return _of_card(path)
    return ""


def _of_card(path: Path) -> str:
    from matxai.modelcard import read_card
    from matxai.modelcard.architectures import python_of
    from matxai.modelcard.finding import card_folder

    with card_folder(path) as folder:
        card: Card = read_card(folder)
        if not isinstance(card.weights, str):
            return f"The command '{' '.join(card.weights.command)}'"
        return python_of(card.architecture, folder) if card.architecture else ""

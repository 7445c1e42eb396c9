"""Who does a work, and what comes of measuring one: a value, or the reason why there is none."""

from __future__ import annotations

import contextlib
import gc
import io
import warnings
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import peer_autolrp  # noqa: F401 - each registers what its library can do
import peer_bare  # noqa: F401
import peer_captum  # noqa: F401
import peer_grad_cam  # noqa: F401
import peer_zennit  # noqa: F401
from peers import BARE, peers_of
from subjects import Subject
from torch import nn
from works import Absent, Work, ours

Row = dict[str, Any]
Prepared = Callable[[Any], Any]


@dataclass(frozen=True)
class Candidate:
    """One way to do a work: ``prepare(module, subject)`` returns what is called with the images."""

    who: str
    prepare: Callable[[nn.Module, Subject], Prepared]

    @property
    def library(self) -> bool:
        """Whether it is a library that a user could take instead."""
        return self.who not in ("matxai", BARE)


def candidates(work: Work) -> list[Candidate]:
    """Return who does a work, ours first."""
    mine = Candidate("matxai", lambda module, subject: ours(module, subject, work))
    return [mine, *(Candidate(p.library, p.prepare) for p in peers_of(work.name))]


def reason(error: BaseException) -> str:
    """Return an error in one line of a table."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = f"{type(error).__name__}: {lines[0] if lines else ''}"
    return text if len(text) <= 140 else text[:139] + "…"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what peers print and warn of out of the output."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def tried(measure: Callable[[], Row]) -> Row:
    """Return what a measure gives, or why there is nothing; an error of one candidate ends nothing."""
    try:
        with quiet():
            return measure()
    except (Absent, ImportError) as error:
        return {"absent": str(error)}
    except Exception as error:
        return {"failed": reason(error)}
    finally:
        gc.collect()


def measured(
    candidate: Candidate, module: nn.Module, subject: Subject, measure: Callable[[Prepared, nn.Module], float]
) -> Row:
    """Return a candidate's figure on a copy of the network that is its own."""

    def figure() -> Row:
        own = deepcopy(module)
        call = candidate.prepare(own, subject)
        missing = getattr(call, "missing", ())
        return {"value": measure(call, own)} | ({"without": list(missing)} if missing else {})

    return tried(figure)

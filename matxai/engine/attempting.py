"""Runs a forward as it is prepared, and as it is where that does not go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matxai.engine import memory
from matxai.engine.inspection import agree, randomness
from matxai.engine.nested import tensors_in
from matxai.engine.prepared import DeviatedError
from matxai.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from matxai.engine.inspection import Seen
    from matxai.engine.passes import Run
    from matxai.engine.values import Spot


def attempt(
    run: Run, seen: Seen, names: tuple[str, ...], spots: dict[str, Spot], own: list[Tensor] | None
) -> Any:  # fmt: skip
    """Return what the model returns: prepared; where the forward deviates, fails, or gives another output, as it is.

    Parameters
    ----------
    run
        Whose capture is used, and replaced for the second forward, which is counted.
    seen
        What is known of the model, and its prepared plan.
    names, spots
        The layers that are read, and where their outputs are put.
    own
        The model's own output, where it is to be compared.
    """
    keep = run.keep  # prepared weights hold the biases of several operations, so that each one's cannot be read
    plan = None if keep.exact or keep.difference or keep.biases or run.unprepared else seen.plan
    ready = run.capture.ready = None if plan is None else plan.ready(run.x, (*names, *run.of_targets))
    if plan is None or ready is None:
        return run.forward(names, spots)
    put_back = randomness(run.x.device)
    try:
        result = run.forward(names, spots)
        ready.settle()
    except DeviatedError:
        pass
    except ModelError as error:
        if memory.exhausted(error):
            raise
        plan.give_up(run.x, ready)
    else:
        if own is None or agree(own, tensors_in(result)):
            return result
        plan.give_up(run.x, ready)
        del result
    put_back()
    spots.clear()
    run.forwards += 1
    run.capture = run.new_capture()
    return run.forward(names, spots)

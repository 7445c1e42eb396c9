"""Which rule each operation of a model gets, asked before anything is explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matxai.engine.passes import run
from matxai.engine.plan import Backward, Plan

if TYPE_CHECKING:
    from torch import Tensor, nn

    from matxai.engine.assignment import Assignment
    from matxai.engine.ruletable import Composite


def explained_rules(module: nn.Module, x: Tensor, composite: Composite, *, output: str | None = None) -> Assignment:
    """Return which entry of a composite addresses which operations of a model; one forward, no backward.

    Parameters
    ----------
    module
        Any module; it is left as it was.
    x
        A batch (B, C, *spatial) like those that will be explained.
    composite
        A table, or what :func:`~matxai.engine.composites.composite` returns.
    output
        Which entry of a dictionary holds the scores.

    Returns
    -------
    Assignment
        ``print(found.describe())`` shows it; ``found.notes()`` names entries that address nothing.

    Raises
    ------
    MethodError
        If an entry names a layer or a depth that is not there.
    OperationError
        If an operation has no rule.

    Examples
    --------
    >>> import torch
    >>> from matxai.engine import composite, explained_rules
    >>> net = torch.nn.Sequential(torch.nn.Conv1d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(12, 2))
    >>> print(explained_rules(net, torch.zeros(1, 1, 8), composite("epsilon_plus_flat")).describe())
    depth first: flat for 1 operation (0)
    convolution or transposed_convolution: z_plus for no operations
    everything else: epsilon for 1 operation (2)
    """
    plan = Plan(passes=(Backward(composite, at_input=True),))
    found: dict[Any, Assignment] = run(module, x, plan, output=output, dry=True).assignments
    return found[composite]

"""Stand-ins of a prepared plan: a linear operation with its batch norm or ReLU, and what passes by after it.

The operation's output has no graph and waits (:class:`~matxai.engine.prepared.Passing`); the node is put into the graph
where the batch norm would be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from matxai.engine.assignment import FOLDED
from matxai.engine.folds import Norm
from matxai.engine.prepared import Passing
from matxai.engine.standins.call import Call, put
from matxai.engine.standins.linear import LinearNode, TapNode, linear_node

if TYPE_CHECKING:
    from matxai.engine.folds import Fold
    from matxai.engine.linear import LinearMap
    from matxai.engine.prepared import Ready


def prepared_linear(call: Call, map_: LinearMap, weight: Tensor, bias: Tensor | None, x: Tensor) -> Any:
    """Return what the prepared operation gives, or ``NotImplemented`` where none is prepared."""
    run = call.run
    if run.ready is None:
        return NotImplemented
    fold = run.ready.folds.get(id(run.origin(weight)))
    if fold is None or fold.map != map_ or not _same(call, bias, fold.bias) or x.dtype != fold.weight.dtype:
        return NotImplemented
    if fold.norm is None and not call.graph and not call.op.in_place and run.ready.rectifies(fold):
        return _rectified(call, fold, x)
    if fold.norm is None:
        if not fold.copied or not run.ready.last:
            return NotImplemented
        with torch.no_grad():
            value = fold.apply(x, last=run.ready.last)
        if not call.graph:
            return value
        last = run.ready.last
        node = LinearNode(run.switch, fold.geometry(last=last), *fold.dense(last=last), x.shape, value)
        return linear_node(call, node, x)
    passing = Passing(fold, x, call.graph, call.op.index, rectify=not call.graph and run.ready.rectifies(fold))
    if call.ruled:
        passing.x, passing.nonnegative = run.store.keep(x), run.is_nonnegative(x)
        known = run.value(x)
        if known is not None and known.clean:
            passing.source = run.entries[call.op.index] = put(TapNode(x.detach()), x)
    with torch.no_grad():
        value = fold.apply(x, last=run.ready.last, rectify=passing.rectify)
    run.passing = passing
    run.ready.opens(passing)
    run.ready.leaves(passing, value)
    return value


def _rectified(call: Call, fold: Fold, x: Tensor) -> Tensor:
    """Return the output of an operation that only a ReLU takes, rectified already, in its own memory."""
    run, ready = call.run, cast("Ready", call.run.ready)
    if fold.copied and ready.last:
        with torch.no_grad():
            value = fold.apply(x, last=True).relu_()  # a ReLU within the kernel makes NaN zero
    else:
        value = call.value().relu_()
    run.passing = Passing(fold, x, graph=False, entry=call.op.index, rectify=True, normed=True)
    ready.opens(run.passing)
    return value


def _same(call: Call, given: Tensor | None, own: Tensor | None) -> bool:
    return own is None if given is None else call.run.origin(given) is own


def pass_norm(call: Call, passing: Passing) -> Tensor:
    """Return the value of a batch norm that was folded into the operation that made its input."""
    run, given, norm = call.run, call.read(), passing.fold.norm
    weight, bias = (None if t is None else run.origin(t) for t in (given["weight"], given["bias"]))
    met = Norm(run.origin(given["running_mean"]), run.origin(given["running_var"]), weight, bias, given["eps"])
    assert run.ready is not None  # noqa: S101 - nothing passes without a plan: says so to the type checker
    if norm is None or passing.normed or not norm.is_(met):
        raise run.ready.deviates(passing)
    value = call.x.data
    if passing.rectify:
        passing.normed = True
        run.passing = passing
        return value
    run.ready.closes(passing)
    if not passing.graph or not torch.is_grad_enabled():
        return value
    source = passing.source
    last = run.ready.last
    map_ = passing.fold.geometry(last=last)
    node = LinearNode(run.switch, map_, *passing.fold.dense(last=last), source.shape, value)
    node.index, node.entry = call.op.index, passing.entry
    if passing.x is not None:
        call.op.params[FOLDED] = passing.entry
        node.x, node.z, node.nonnegative = passing.x, run.store.keep(value), passing.nonnegative
    return put(node, source)


def pass_relu(call: Call, passing: Passing) -> Tensor:
    """Return the value of a ReLU that was computed along with the linear operation in front of it."""
    ready = call.run.ready
    assert ready is not None  # noqa: S101 - as above
    if not passing.normed:
        raise ready.deviates(passing)
    ready.closes(passing)
    if call.op.in_place:
        return call.x
    ready.leaves(passing, call.x)
    return call.x.data

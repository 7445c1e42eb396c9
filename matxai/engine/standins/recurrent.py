"""Recurrent layers, written out step by step: relevance goes through the signal, gates are constants.

Arras et al. 2017, arXiv:1706.07206, and 2019, LNCS 11700, 211 (signal-take-all). In c = f c + i g and h = o tanh(c) the
sigmoids i, f, o are gates, and so are r and z of a GRU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matxai.engine.standins.call import Call

State = tuple[Tensor, ...]
"""(h,), or (h, c) of an LSTM; each (B, H)."""


def recurrent(call: Call) -> Any:
    """``lstm``, ``gru``, ``rnn_tanh`` and ``rnn_relu`` over whole sequences, and their cells."""
    base = call.row.base
    if base.endswith("_cell"):
        return call.written_out(_cell, base, *call.args) if call.ruled else NotImplemented
    x, states, weights, *options = call.args
    if isinstance(weights, Tensor) or (base == "lstm" and isinstance(states, Tensor)):
        return call.refuse("takes a packed sequence, which has no rule; give padded sequences of one length each")
    if not call.ruled:
        return NotImplemented
    return call.written_out(_unrolled, base, x, states, list(weights), *options)


def _unrolled(
    base: str, x: Tensor, states: Any, weights: list[Tensor], has_biases: bool, layers: int, _dropout: float,
    _train: bool, bidirectional: bool, batch_first: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Return the sequence of outputs, and the last states (layers x directions, B, H), as PyTorch does."""
    directions = 2 if bidirectional else 1
    given = list(states) if base == "lstm" else [states]
    each = len(weights) // (layers * directions)
    if not batch_first:
        x = x.transpose(0, 1)
    last: list[State] = []
    for layer in range(layers):
        outputs = []
        for backward in range(directions):
            at = layer * directions + backward
            own = _named(weights[at * each : (at + 1) * each], has_biases=has_biases)
            out, state = _sequence(_STEPS[base], x, tuple(s[at] for s in given), own, reverse=bool(backward))
            outputs.append(out)
            last.append(state)
        x = outputs[0] if directions == 1 else torch.cat(outputs, -1)
    final = (torch.stack([state[i] for state in last]) for i in range(len(given)))
    return (x if batch_first else x.transpose(0, 1), *final)


def _named(weights: Sequence[Tensor], *, has_biases: bool) -> list[Tensor | None]:
    """Return [W_ih, W_hh, b_ih, b_hh, W_hr], with None for those that the layer does not have."""
    own: list[Tensor | None] = [*weights[:2], *(weights[2:4] if has_biases else (None, None))]
    rest = list(weights[4 if has_biases else 2 :])
    return [*own, rest[0] if rest else None]


def _sequence(
    step: Callable[..., State], x: Tensor, state: State, own: list[Tensor | None], *, reverse: bool
) -> tuple[Tensor, State]:
    """Run one direction of one layer over x (B, T, C)."""
    w_ih, w_hh, b_ih, b_hh, w_hr = own
    inputs = F.linear(x, w_ih, b_ih).unbind(1)  # type: ignore[arg-type]
    state = tuple(_from_input(s, inputs[0]) for s in state)
    outputs = []
    for u in reversed(inputs) if reverse else inputs:
        state = step(u, F.linear(state[0], w_hh, b_hh), state)  # type: ignore[arg-type]
        if w_hr is not None:
            state = (F.linear(state[0], w_hr), *state[1:])
        outputs.append(state[0])
    return torch.stack(outputs[::-1] if reverse else outputs, 1), state


def _from_input(state: Tensor, u: Tensor) -> Tensor:
    """Return a first state as a value of the graph, 0 times the input added: a gate times it is a gate like any other.

    A product of a gate with a plain constant would be a signal, and relevance would go to the gate.
    """
    zero = torch.mul(u[:, :1], 0)
    return torch.add(state, zero.expand(-1, state.shape[-1]))


def _cell(base: str, x: Tensor, states: Any, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
          b_hh: Tensor | None = None) -> Any:  # fmt: skip
    """Return the new state (B, H), of an LSTM (h, c)."""
    u = F.linear(x, w_ih, b_ih)
    given = tuple(_from_input(s, u) for s in (states if base == "lstm_cell" else (states,)))
    state = _STEPS[base.removesuffix("_cell")](u, F.linear(given[0], w_hh, b_hh), given)
    return state if base == "lstm_cell" else state[0]


def _lstm(u: Tensor, v: Tensor, state: State) -> State:
    i, f, g, o = torch.add(u, v).chunk(4, 1)
    c = torch.add(torch.mul(torch.sigmoid(f), state[1]), torch.mul(torch.sigmoid(i), torch.tanh(g)))
    return torch.mul(torch.sigmoid(o), torch.tanh(c)), c


def _gru(u: Tensor, v: Tensor, state: State) -> State:
    (u_r, u_z, u_n), (v_r, v_z, v_n) = u.chunk(3, 1), v.chunk(3, 1)
    r, z = torch.sigmoid(torch.add(u_r, v_r)), torch.sigmoid(torch.add(u_z, v_z))
    n = torch.tanh(torch.add(u_n, torch.mul(r, v_n)))
    return (torch.add(torch.mul(torch.rsub(z, 1), n), torch.mul(z, state[0])),)


def _tanh(u: Tensor, v: Tensor, _state: State) -> State:
    return (torch.tanh(torch.add(u, v)),)


def _relu(u: Tensor, v: Tensor, _state: State) -> State:
    return (torch.relu(torch.add(u, v)),)


_STEPS: dict[str, Callable[..., State]] = {"lstm": _lstm, "gru": _gru, "rnn_tanh": _tanh, "rnn_relu": _relu}

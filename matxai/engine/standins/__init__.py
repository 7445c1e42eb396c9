"""Which stand-in an operation gets: one function for each kind, called by the capture before the native function.

Each returns the result, or ``NotImplemented`` to leave the operation to PyTorch. It may add geometry to the recorded
operation, or the reason why LRP cannot pass. A node stands in the file of the function that makes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from matxai.engine.standins.attention import attention
from matxai.engine.standins.batch_norm import batch_norm
from matxai.engine.standins.call import WRITTEN_OUT, Call
from matxai.engine.standins.elementwise import activation, gated_linear_unit, power, singular, statistic
from matxai.engine.standins.joining import join
from matxai.engine.standins.linear import linear
from matxai.engine.standins.matmul import bilinear, matmul
from matxai.engine.standins.norms import norm
from matxai.engine.standins.pools import average_pool, geometry, grid_sample, lp_pool, max_pool
from matxai.engine.standins.products import multiply_add, product, quotient
from matxai.engine.standins.recurrent import recurrent
from matxai.engine.standins.relu import relu
from matxai.engine.standins.selecting import select, view, view_as
from matxai.engine.standins.softmax import softmax
from matxai.engine.standins.sums import add
from matxai.engine.standins.writing import write

__all__ = ["STAND_INS", "WRITTEN_OUT", "Call"]

StandInFor: TypeAlias = Callable[[Call], Any]

STAND_INS: dict[str, StandInFor] = {
    "add": add,
    "convolution": linear,
    "transposed_convolution": linear,
    "linear": linear,
    "matmul": matmul,
    "batch_norm": batch_norm,
    "relu": relu,
    "max_pool": max_pool,
    "average_pool": average_pool,
    "adaptive_pool": geometry,
    "interpolate": geometry,
    "pad": geometry,
    "cat": join,
    "mean": geometry,
    "sum": geometry,
    "product": product,
    "quotient": quotient,
    "product_sum": multiply_add,
    "bilinear": bilinear,
    "norm": norm,
    "softmax": softmax,
    "log_softmax": softmax,
    "attention": attention,
    "recurrent": recurrent,
    "power": power,
    "singular": singular,
    "statistic": statistic,
    "glu": gated_linear_unit,
    "lp_pool": lp_pool,
    "grid_sample": grid_sample,
    "activation": activation,
    "clamp": activation,
    "select": select,
    "view": view,
    "view_as": view_as,
    "write": write,
}

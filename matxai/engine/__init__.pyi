from . import targets as targets
from .captured import Captured as Captured
from .composites import Composite as Composite, composite as composite
from .layers import layers as layers
from .passes import run as run
from .plan import (
    DECONVNET as DECONVNET,
    GRADIENT as GRADIENT,
    GUIDED as GUIDED,
    Backward as Backward,
    Needs as Needs,
    Plan as Plan,
    merge as merge,
)

from . import targets as targets
from .addressing import explained_rules as explained_rules
from .captured import Captured as Captured
from .composites import composite as composite
from .forgetting import forget as forget
from .layers import layers as layers
from .passes import run as run
from .plan import (
    DECONVNET as DECONVNET,
)
from .plan import (
    DIFFERENCE as DIFFERENCE,
)
from .plan import (
    GRADIENT as GRADIENT,
)
from .plan import (
    GUIDED as GUIDED,
)
from .plan import (
    Backward as Backward,
)
from .plan import (
    Needs as Needs,
)
from .plan import (
    Plan as Plan,
)
from .plan import (
    merge as merge,
)
from .ruletable import (
    At as At,
)
from .ruletable import (
    Composite as Composite,
)
from .ruletable import (
    LinearRule as LinearRule,
)

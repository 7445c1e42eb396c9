from .lines import ReferenceLine as ReferenceLine
from .lines import ReferenceLines as ReferenceLines

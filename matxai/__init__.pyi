from ._version import __version__ as __version__
from .engine import layers as layers, targets as targets
from .errors import Cancelled as Cancelled, MatxaiError as MatxaiError, MatxaiWarning as MatxaiWarning
from .explanation import explain as explain, load as load, save as save
from .methods import attribute as attribute, plan as plan
from .modelcard import Model as Model, load_model as load_model
from .report import plot as plot
from .signals import read as read

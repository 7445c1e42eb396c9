from .baselines import baselines_seen as baselines_seen
from .dataset import Explanation as Explanation
from .dataset import provenance as provenance
from .explaining import explain as explain
from .files import load as load
from .files import save as save

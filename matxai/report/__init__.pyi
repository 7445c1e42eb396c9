from .colours import limits_of as limits_of
from .export import map_csv as map_csv
from .export import save_figure as save_figure
from .figures import common_limits as common_limits
from .figures import overlay_figure as overlay_figure
from .figures import plot as plot

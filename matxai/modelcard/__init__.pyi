from .card import Card as Card, read_card as read_card, write_card as write_card
from .describing import describe as describe, list_models as list_models
from .initialising import init_card as init_card
from .loading import load_model as load_model
from .model import Model as Model
from .reference_pair import check_reference as check_reference

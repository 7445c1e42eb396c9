from .architectures import (
    matxai_architecture as matxai_architecture,
)
from .architectures import (
    timm_architecture as timm_architecture,
)
from .architectures import (
    torchvision_architecture as torchvision_architecture,
)
from .listing import shipped as shipped

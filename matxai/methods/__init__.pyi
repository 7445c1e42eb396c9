from .call import attribute as attribute
from .call import attribution as attribution
from .call import plan as plan
from .kinds.deep_lift import DeepLift as DeepLift
from .kinds.eigen_cam import EigenCAM as EigenCAM
from .kinds.full_grad import FullGrad as FullGrad
from .kinds.gradient_cam import (
    GradCAM as GradCAM,
)
from .kinds.gradient_cam import (
    GradCAMPP as GradCAMPP,
)
from .kinds.gradient_cam import (
    HiResCAM as HiResCAM,
)
from .kinds.gradient_cam import (
    LayerCAM as LayerCAM,
)
from .kinds.gradient_cam import (
    XGradCAM as XGradCAM,
)
from .kinds.gradient_shap import GradientSHAP as GradientSHAP
from .kinds.gradients import InputXGradient as InputXGradient
from .kinds.gradients import Saliency as Saliency
from .kinds.guided import Deconvnet as Deconvnet
from .kinds.guided import GuidedBackprop as GuidedBackprop
from .kinds.guided import GuidedGradCAM as GuidedGradCAM
from .kinds.head_cam import CAM as CAM
from .kinds.integrated_gradients import IntegratedGradients as IntegratedGradients
from .kinds.kernel_shap import KernelSHAP as KernelSHAP
from .kinds.layer_integrated_gradients import LayerIntegratedGradients as LayerIntegratedGradients
from .kinds.lime import LIME as LIME
from .kinds.lrp import LRP as LRP
from .kinds.masking_cam import AblationCAM as AblationCAM
from .kinds.masking_cam import ScoreCAM as ScoreCAM
from .kinds.multilayer import MultilayerGradCAM as MultilayerGradCAM
from .kinds.occlusion import Occlusion as Occlusion
from .kinds.rise import RISE as RISE
from .kinds.smooth_grad import SmoothGrad as SmoothGrad
from .method import About as About
from .method import Empty as Empty
from .method import Method as Method
from .method import methods as methods
from .method import resolve as resolve
from .result import Attribution as Attribution
from .similar import Similar as Similar
from .similar import similarity as similarity

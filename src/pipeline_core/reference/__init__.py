"""The embedded reference models, as standard transformers classes; importing this package registers them."""

from transformers import AutoConfig, AutoModel, AutoProcessor

from pipeline_core.reference.dual import DualEncoderConfig, DualEncoderModel, DualEncoderProcessor
from pipeline_core.reference.names import REFERENCE_MODELS, reference_identity, resolve_reference
from pipeline_core.reference.vision import EfficientNetLiteConfig, EfficientNetLiteModel

AutoConfig.register(EfficientNetLiteConfig.model_type, EfficientNetLiteConfig, exist_ok=True)
AutoModel.register(EfficientNetLiteConfig, EfficientNetLiteModel, exist_ok=True)
AutoConfig.register(DualEncoderConfig.model_type, DualEncoderConfig, exist_ok=True)
AutoModel.register(DualEncoderConfig, DualEncoderModel, exist_ok=True)
AutoProcessor.register(DualEncoderConfig, DualEncoderProcessor, exist_ok=True)

__all__ = ["REFERENCE_MODELS", "reference_identity", "resolve_reference"]

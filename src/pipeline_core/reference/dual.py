"""The reference contrastive model: a frozen picture tower and a frozen sentence encoder under two trained heads."""

from typing import Any, ClassVar

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoProcessor,
    BertConfig,
    BertModel,
    PreTrainedConfig,
    PreTrainedModel,
    ProcessorMixin,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.clip.modeling_clip import CLIPOutput

from pipeline_core.reference.vision import EfficientNetLiteConfig, EfficientNetLiteModel


class DualEncoderConfig(PreTrainedConfig):
    """Shapes of both towers and of the space that they share.

    Attributes:
        vision_config: the picture tower.
        text_config: the sentence encoder, a BERT.
        projection_dim: width of the common space.
    """

    model_type = "retrieval_lens_dual_encoder"
    sub_configs_defaults: ClassVar[dict[str, type[PreTrainedConfig]]] = {
        "vision_config": EfficientNetLiteConfig,
        "text_config": BertConfig,
    }

    vision_config: Any = None
    text_config: Any = None
    projection_dim: int = 512


class DualEncoderModel(PreTrainedModel):
    """Pictures and texts in one space, with CLIP's methods: `get_image_features` and `get_text_features`."""

    config_class = DualEncoderConfig
    base_model_prefix = "dual_encoder"
    main_input_name = "pixel_values"
    input_modalities = ("image", "text")

    def __init__(self, config: DualEncoderConfig) -> None:
        super().__init__(config)
        self.vision_model = EfficientNetLiteModel(config.vision_config)
        self.text_model = BertModel(config.text_config, add_pooling_layer=False)
        self.heads = DualEncoderHeads(config)
        self.post_init()

    def get_image_features(self, pixel_values: torch.Tensor, **_: Any) -> BaseModelOutputWithPooling:
        """Embed pictures, float [n, 3, 224, 224]; `pooler_output` holds unnormalised embeddings [n, projection_dim]."""
        output = self.vision_model(pixel_values)
        output.pooler_output = self.heads.image(output.pooler_output)
        return output

    def get_text_features(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **_: Any
    ) -> BaseModelOutputWithPooling:
        """Embed texts, ids [n, t]; `pooler_output` holds unnormalised embeddings [n, projection_dim]."""
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        states = self.text_model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return BaseModelOutputWithPooling(
            last_hidden_state=states, pooler_output=self.heads.text(mean_of_tokens(states, attention_mask))
        )

    def forward(
        self, pixel_values: torch.Tensor, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **_: Any
    ) -> CLIPOutput:
        """Compare every text with every picture; `logits_per_text` [texts, pictures] are cosines."""
        image = nn.functional.normalize(self.get_image_features(pixel_values).pooler_output, dim=-1)
        text = nn.functional.normalize(self.get_text_features(input_ids, attention_mask).pooler_output, dim=-1)
        cosine = text @ image.T
        return CLIPOutput(logits_per_text=cosine, logits_per_image=cosine.T, text_embeds=text, image_embeds=image)


class DualEncoderHeads(nn.Module):
    """What is trained of the dual encoder: one linear head a modality, into the common space."""

    def __init__(self, config: DualEncoderConfig) -> None:
        super().__init__()
        self.image = nn.Linear(config.vision_config.hidden_size, config.projection_dim)
        self.text = nn.Linear(config.text_config.hidden_size, config.projection_dim)


class DualEncoderProcessor(ProcessorMixin):
    """Pictures through the Llava image processor, texts through the sentence encoder's tokenizer."""

    def __init__(self, image_processor: Any = None, tokenizer: Any = None, **_: Any) -> None:
        super().__init__(image_processor, tokenizer)


def mean_of_tokens(states: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """Return the mean [n, d] of the attended states [n, t, d], the pooling of all-MiniLM-L6-v2."""
    weights = attention_mask.to(states.dtype)[:, :, None]
    return (states * weights).sum(1) / weights.sum(1)


AutoConfig.register(DualEncoderConfig.model_type, DualEncoderConfig, exist_ok=True)
AutoModel.register(DualEncoderConfig, DualEncoderModel, exist_ok=True)
AutoProcessor.register(DualEncoderConfig, DualEncoderProcessor, exist_ok=True)

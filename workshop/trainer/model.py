"""torchvision's ResNets, the first layers fitted to the image size, the last to the classes.

He et al. 2015, https://arxiv.org/abs/1512.03385.
"""

from pathlib import Path

import torch
from torch import nn
from torchvision import models

from workshop.errors import WorkshopError
from workshop.paths import shown
from workshop.trainer.config import TrainingConfig
from workshop.trainer.cpu_convolution import use_products


def build(config: TrainingConfig) -> nn.Module:
    """Return the network, on the CPU; torch's global generator draws what is not pretrained.

    With `finetune`, everything but the first layers of a cifar stem and the last layer is frozen
    (the running statistics of batch normalization still adapt to the images).

    Raises:
        WorkshopError: `pretrained` is true, and the weights can be neither found nor downloaded.
    """
    # Every residual block begins as the identity, which lets a short training with a high
    # learning rate succeed: Goyal et al. 2017, https://arxiv.org/abs/1706.02677, section 5.1.
    model = models.get_model(config.model_name, weights=None, zero_init_residual=True)
    if config.pretrained:
        model.load_state_dict(_imagenet_weights(config.model_name))
        model.requires_grad_(not config.finetune)
    if config.stem == "cifar":
        # Section 4.2 of the paper: with the usual stride and pooling, 32 pixels shrink to 8
        # before the first residual block.  This costs sixteen times the operations.
        model.conv1 = nn.Conv2d(3, 64, kernel_size=3, padding=1, bias=False)
        model.maxpool = nn.Identity()
    model.fc = nn.Linear(model.fc.in_features, config.num_classes)
    use_products(model)
    return model


def weights_folder() -> Path:
    """Return the folder that PyTorch downloads pretrained weights into."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def _imagenet_weights(model_name: str) -> dict[str, torch.Tensor]:
    weights = models.get_model_weights(model_name).DEFAULT
    try:
        return weights.get_state_dict(check_hash=True)
    except (OSError, RuntimeError) as error:
        raise WorkshopError(
            f"the pretrained weights of {model_name} cannot be downloaded ({error}): put the file "
            f"{weights.url} into {shown(weights_folder())}, or set pretrained to false"
        ) from error

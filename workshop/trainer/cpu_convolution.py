"""Fast CPU convolutions of small feature maps, computed as matrix products (im2col).

A convolution multiplies the pixels under its kernel, as a row of numbers, by a matrix.  For a 1x1
convolution these are the channels of one pixel; for a 3x3 convolution, those of nine pixels, which
are concatenated first (Chellapilla et al. 2006, https://inria.hal.science/inria-00112631).  On the
small maps of 32-pixel images, CPU libraries are faster at products than at convolutions, especially
for gradients: see `benchmarks/README.md`.  GPU libraries choose the faster method themselves.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

LARGEST_SIDE = 8
"""The largest side of a map for 3x3 products; for larger maps, the copies cost too much."""


class ProductConv2d(nn.Conv2d):
    """A drop-in `Conv2d` without bias, groups and dilation, with the same weights and names."""

    def forward(self, images: Tensor) -> Tensor:
        """Return (batch, out, height, width) from (batch, in, height, width)."""
        if images.device.type != "cpu" or (
            self.kernel_size != (1, 1) and images.shape[-1] > LARGEST_SIDE
        ):
            return super().forward(images)
        seen = self._seen(images)
        # In two dimensions, which makes one product; in four, it may be many, with copies.
        product = linear(seen.flatten(0, 2), self.weight.permute(0, 2, 3, 1).flatten(1))
        return product.unflatten(0, seen.shape[:3]).permute(0, 3, 1, 2)

    def _seen(self, images: Tensor) -> Tensor:
        """Return the pixels under the kernel: (batch, height, width, pixels of the kernel x in)."""
        pixels = images.permute(0, 2, 3, 1)
        if any(self.padding):
            above, left = self.padding
            pixels = pad(pixels, (0, 0, left, left, above, above))
        (high, wide), (down, across) = self.kernel_size, self.stride
        height = (pixels.shape[1] - high) // down + 1
        width = (pixels.shape[2] - wide) // across + 1
        views = [
            pixels[:, y : y + down * height : down, x : x + across * width : across]
            for y in range(high)
            for x in range(wide)
        ]
        return torch.cat(views, dim=3) if len(views) > 1 else views[0]


def use_products(model: nn.Module) -> None:
    """Replace every convolution in a ResNet's blocks by a `ProductConv2d`."""
    for layer in model.modules():
        if type(layer) is nn.Conv2d and layer.kernel_size in ((1, 1), (3, 3)) and _is_plain(layer):
            layer.__class__ = ProductConv2d


def _is_plain(layer: nn.Conv2d) -> bool:
    return layer.bias is None and layer.groups == 1 and layer.dilation == (1, 1)

"""Convolutions of small feature maps, computed on CPUs as the matrix products that they are.

A convolution multiplies what its kernel sees at each place, as a row of numbers, by one matrix: a
1x1 convolution the channels of a pixel, a 3x3 convolution those of nine pixels, which are laid
side by side for it (Chellapilla et al. 2006, https://inria.hal.science/inria-00112631).  On the
small maps that 32 pixels shrink to, a CPU's library is faster at products than at convolutions,
at their gradients most of all: `benchmarks/README.md` has the figures.  GPUs' libraries make such
choices by themselves.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

SMALL = 8
"""The largest side of a map that is laid out nine times; for larger ones that costs too much."""


class ProductConv2d(nn.Conv2d):
    """A convolution without bias, groups and dilation, by the same weights under the same names."""

    def forward(self, images: Tensor) -> Tensor:
        """Return (batch, out, height, width) from (batch, in, height, width)."""
        if images.device.type != "cpu" or (self.kernel_size != (1, 1) and images.shape[-1] > SMALL):
            return super().forward(images)
        seen = self._seen(images)
        # In two dimensions, for which one product is made; in four it may be many, with copies.
        product = linear(seen.flatten(0, 2), self.weight.permute(0, 2, 3, 1).flatten(1))
        return product.unflatten(0, seen.shape[:3]).permute(0, 3, 1, 2)

    def _seen(self, images: Tensor) -> Tensor:
        """Return what the kernel sees: (batch, height, width, pixels of the kernel x in)."""
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
    """Let every convolution of a ResNet's blocks be a `ProductConv2d`."""
    for layer in model.modules():
        if type(layer) is nn.Conv2d and layer.kernel_size in ((1, 1), (3, 3)) and _is_plain(layer):
            layer.__class__ = ProductConv2d


def _is_plain(layer: nn.Conv2d) -> bool:
    return layer.bias is None and layer.groups == 1 and layer.dilation == (1, 1)

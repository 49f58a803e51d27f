"""Convolutions of one pixel, computed on CPUs as the matrix products that they are.

A 1x1 convolution multiplies every pixel's channels by one matrix.  With the channels last in
memory the pixels already are the rows of such a product, and on the small feature maps of 32
pixels a CPU's library is faster at products than at convolutions, at their gradients most of all:
`benchmarks/README.md` has the figures.  GPUs' libraries make the same choice by themselves.
"""

from torch import Tensor, nn
from torch.nn.functional import linear


class PointwiseConv2d(nn.Conv2d):
    """A 1x1 convolution without bias, by the same weights under the same names."""

    def forward(self, images: Tensor) -> Tensor:
        """Return (batch, out, height, width) from (batch, in, height, width), strides applied."""
        if images.device.type != "cpu":
            return super().forward(images)
        down, across = self.stride
        pixels = images[:, :, ::down, ::across].permute(0, 2, 3, 1)
        # In two dimensions, for which one product is made; in four it may be many, with copies.
        product = linear(pixels.flatten(0, 2), self.weight.flatten(1))
        return product.unflatten(0, pixels.shape[:3]).permute(0, 3, 1, 2)


def use_products(model: nn.Module) -> None:
    """Let every 1x1 convolution of a network be a `PointwiseConv2d`."""
    for layer in model.modules():
        if type(layer) is nn.Conv2d and layer.kernel_size == (1, 1) and layer.bias is None:
            layer.__class__ = PointwiseConv2d

"""1x1 convolutions as matrix products: the same numbers, the same names of weights."""

import copy

import pytest
import torch
from torch import nn

from workshop.config import resolve
from workshop.model import build
from workshop.pointwise import PointwiseConv2d, use_products


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("stride", [1, 2, (1, 3)])
def test_product_is_the_convolution_with_the_same_gradients(stride, memory_format):
    torch.manual_seed(0)
    convolution = nn.Conv2d(5, 7, kernel_size=1, stride=stride, bias=False)
    product = copy.deepcopy(convolution)
    use_products(product)
    assert type(product) is PointwiseConv2d
    images = torch.randn(3, 5, 9, 8).to(memory_format=memory_format)
    results = []
    for layer in (convolution, product):
        given = images.clone().requires_grad_()
        output = layer(given)
        (output * torch.linspace(-1, 1, output.numel()).view_as(output)).sum().backward()
        results.append((output, given.grad, layer.weight.grad))
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected)


def test_network_keeps_its_other_layers_and_the_names_of_its_weights():
    with torch.device("meta"):
        model = build(resolve({"model_name": "resnet50"}))
    kinds = {
        (layer.kernel_size, type(layer))
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d)
    }
    assert kinds == {
        ((7, 7), nn.Conv2d), ((3, 3), nn.Conv2d), ((1, 1), PointwiseConv2d)
    }  # fmt: skip
    from torchvision.models import resnet50

    assert model.state_dict().keys() == resnet50().state_dict().keys()


def test_layers_with_a_bias_are_left_alone():
    layer = nn.Conv2d(2, 2, kernel_size=1)
    use_products(layer)
    assert type(layer) is nn.Conv2d

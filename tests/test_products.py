"""Convolutions as matrix products: the same numbers, the same names of weights."""

import copy

import pytest
import torch
from torch import nn
from torchvision.models import resnet50

from workshop.trainer.config import resolve
from workshop.trainer.cpu_convolution import LARGEST_SIDE, ProductConv2d, use_products
from workshop.trainer.model import build


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("stride", [1, 2, (1, 3)])
@pytest.mark.parametrize(("kernel", "padding"), [(1, 0), (1, 1), (3, 1), (3, (0, 2))])
@pytest.mark.parametrize("size", [(3, 3), (7, 8), (9, LARGEST_SIDE + 1)])
def test_product_is_the_convolution_with_the_same_gradients(
    size, kernel, padding, stride, memory_format
):
    torch.manual_seed(0)
    convolution = nn.Conv2d(5, 7, kernel, stride, padding, bias=False)
    product = copy.deepcopy(convolution)
    use_products(product)
    assert type(product) is ProductConv2d
    # In 64 bits the reference is PyTorch's own code.  For 32 bits PyTorch 2.15 calls oneDNN, whose
    # gradient of a 1x1 convolution with two unlike strides now and then ends the process.
    convolution = convolution.double()
    images = torch.randn(3, 5, *size).to(memory_format=memory_format)
    results = []
    for layer in (convolution, product):
        given = images.to(layer.weight.dtype).requires_grad_()
        output = layer(given)
        (output * torch.linspace(-1, 1, output.numel()).view_as(output)).sum().backward()
        results.append((output, given.grad, layer.weight.grad))
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected.float())


def test_only_small_maps_are_laid_out(monkeypatch):
    seen = []
    monkeypatch.setattr(
        ProductConv2d, "_seen", lambda self, images: seen.append(images.shape[-1]) or images
    )
    layer = ProductConv2d(2, 2, kernel_size=3, bias=False)
    with pytest.raises(RuntimeError):
        # What is seen is not what was asked for.
        layer(torch.zeros(1, 2, LARGEST_SIDE, LARGEST_SIDE))
    layer(torch.zeros(1, 2, LARGEST_SIDE + 1, LARGEST_SIDE + 1))
    assert seen == [LARGEST_SIDE]


def test_network_keeps_its_first_layer_and_the_names_of_its_weights():
    with torch.device("meta"):
        model = build(resolve({"model_name": "resnet50"}))
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    kinds = {(layer.kernel_size, type(layer)) for layer in layers}
    assert kinds == {((7, 7), nn.Conv2d), ((3, 3), ProductConv2d), ((1, 1), ProductConv2d)}
    assert model.state_dict().keys() == resnet50().state_dict().keys()


@pytest.mark.parametrize("options", [{"bias": True}, {"groups": 2}, {"dilation": 2}])
def test_other_layers_are_left_alone(options):
    layer = nn.Conv2d(2, 2, 3, **{"bias": False} | options)
    use_products(layer)
    assert type(layer) is nn.Conv2d

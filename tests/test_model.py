"""The network: its stem, its head, and what is frozen."""

import pytest
import torch

from workshop.errors import WorkshopError
from workshop.trainer.config import resolve
from workshop.trainer.model import build


def feature_sizes(model, image_size):
    """Return the side of the feature maps after the stem and after the last block."""
    sizes = {}
    for name in ("maxpool", "layer4"):
        model.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, name=name: sizes.update({name: output.shape[-1]})
        )
    with torch.inference_mode():
        model.eval()(torch.zeros(1, 3, image_size, image_size))
    return sizes["maxpool"], sizes["layer4"]


@pytest.mark.parametrize(("stem", "sizes"), [("imagenet", (8, 1)), ("cifar", (32, 4))])
def test_stem(stem, sizes):
    model = build(resolve({"model_name": "resnet18", "stem": stem}))
    assert feature_sizes(model, 32) == sizes


def test_default_is_a_resnet50_with_a_head_for_the_classes():
    model = build(resolve({"num_classes": 7}))
    assert model.fc.out_features == 7
    # He et al. 2015, table 1: 23.5 million weights without the head.
    weights = sum(p.numel() for name, p in model.named_parameters() if not name.startswith("fc"))
    assert weights == 23_508_032


def test_the_same_seed_gives_the_same_weights():
    def first(seed):
        torch.manual_seed(seed)
        return next(build(resolve({"model_name": "resnet18"})).parameters())

    assert torch.equal(first(0), first(0))
    assert not torch.equal(first(0), first(1))


@pytest.fixture
def downloaded_weights(tmp_path, monkeypatch):
    """Random weights of a ResNet-18 at the place and under the name of the pretrained ones."""
    from torchvision.models import ResNet18_Weights, resnet18

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = tmp_path / "hub" / "checkpoints" / ResNet18_Weights.DEFAULT.url.rsplit("/", 1)[1]
    file.parent.mkdir(parents=True)
    state = resnet18().state_dict()
    torch.save(state, file)
    return state


def test_pretrained_weights_are_used_but_for_the_head(downloaded_weights):
    model = build(resolve({"model_name": "resnet18", "pretrained": True}))
    assert torch.equal(model.layer4[1].conv2.weight, downloaded_weights["layer4.1.conv2.weight"])
    assert model.fc.out_features == 10
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_finetuning_trains_the_last_layer_alone(downloaded_weights):
    model = build(resolve({"model_name": "resnet18", "pretrained": True, "finetune": True}))
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert trained == ["fc.weight", "fc.bias"]


def test_weights_that_cannot_be_downloaded_are_explained(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(WorkshopError, match=r"weights of resnet18 cannot be downloaded .*\.pth"):
        build(resolve({"model_name": "resnet18", "pretrained": True}))

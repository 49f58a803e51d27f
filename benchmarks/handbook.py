"""Train as the handbook's example does; written anew from its description, to be compared with.

Images are opened with PIL and changed in the workers of a `DataLoader`, enlarged to 224 pixels;
the network computes in 32 bits with the channels first; the optimizer is Adam; every step reads
its loss.  What the example does wrong with the sweep's values is left out: this is about speed.

    python -m benchmarks.handbook --learning_rate=0.01 --image_size=32

is one trial on the digits, as the kit's program is at scale smoke.
"""

import argparse
from collections.abc import Iterable

import numpy as np
import torch
import wandb
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import models, transforms

WORKERS = 2
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Pictures(Dataset):
    """Pictures that are opened and changed one at a time."""

    def __init__(self, pixels: np.ndarray, labels: np.ndarray, size: int):
        self.pixels, self.labels = pixels, labels
        self.change = transforms.Compose(
            [
                transforms.Resize((size, size)),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, DEVIATION),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.change(Image.fromarray(self.pixels[index])), int(self.labels[index])


def loader(pixels: np.ndarray, labels: np.ndarray, size: int, batch_size: int) -> DataLoader:
    """Return shuffled batches of pictures, made by two workers."""
    return DataLoader(
        Pictures(pixels, labels, size), batch_size, shuffle=True, num_workers=WORKERS,
        pin_memory=torch.cuda.is_available(),
    )  # fmt: skip


def network() -> nn.Module:
    """Return a ResNet-50 for ten classes."""
    model = models.resnet50(weights=None)
    model.fc = nn.Linear(model.fc.in_features, 10)
    return model


def train_epoch(
    model: nn.Module, batches: Iterable, optimizer: torch.optim.Optimizer, device: torch.device
) -> float:
    """Take a step for every batch; return the mean of their losses."""
    model.train()
    criterion = nn.CrossEntropyLoss()
    losses = []
    for images, labels in batches:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


@torch.no_grad()
def validate(model: nn.Module, batches: Iterable, device: torch.device) -> tuple[float, float]:
    """Return the mean of the batches' losses, and the accuracy in percent."""
    model.eval()
    criterion = nn.CrossEntropyLoss()
    losses, correct, count = [], 0, 0
    for images, labels in batches:
        images, labels = images.to(device), labels.to(device)
        outputs = model(images)
        losses.append(criterion(outputs, labels).item())
        correct += (outputs.argmax(dim=1) == labels).sum().item()
        count += len(labels)
    return sum(losses) / len(losses), 100 * correct / count


def main() -> None:
    """Train two epochs on the digits, as the program of a sweep."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--learning_rate", type=float, default=0.0005)
    parser.add_argument("--image_size", type=int, default=224)
    options = parser.parse_args()
    digits = load_digits()
    pixels = (digits.images * (255 / 16)).astype(np.uint8).repeat(4, 1).repeat(4, 2)
    pixels = np.stack([pixels] * 3, axis=-1)
    training, validation = (
        loader(pixels[part], digits.target[part], options.image_size, batch_size=64)
        for part in (slice(1438), slice(1438, None))
    )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = network().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=options.learning_rate)
    with wandb.init() as run:
        for epoch in range(1, 3):
            train_loss = train_epoch(model, training, optimizer, device)
            loss, accuracy = validate(model, validation, device)
            run.log(
                {
                    "Epoch": epoch, "Train Loss": train_loss, "Validation Loss": loss,
                    "Validation Accuracy": accuracy,
                }
            )  # fmt: skip


if __name__ == "__main__":
    main()

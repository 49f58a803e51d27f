"""Images as uint8 tensors that live on the device, with a split that every run shares.

A data set is small beside the network's activations (CIFAR-10: 150 MB), so it is loaded once and
cropped, mirrored and normalized in batches where the network computes.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn.functional import interpolate

from workshop.errors import WorkshopError
from workshop.files import from_root
from workshop.paths import shown
from workshop.trainer.config import TrainingConfig
from workshop.trainer.cpus import fair_share

VALIDATION_SHARE = 0.2
SPLIT_SEED = 0  # not the run's seed: runs can be compared only on the same validation images

# Mean and deviation of ImageNet's channels, which pretrained weights expect, for pixels 0 to 255.
IMAGENET = 255 * torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])


@dataclass(frozen=True)
class Source:
    """Labeled images that are read only as far as they are needed.

    Attributes:
        labels: Class of each image, int64 of shape (images,).
        read: From indices of images to their pixels, uint8 of shape (images, height, width, 3).
        classes: Number of classes.
        augmentation: How a training image may be changed without changing its class.
    """

    labels: Tensor
    read: Callable[[Tensor], Tensor]
    classes: int
    augmentation: "Augmentation"


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training images.

    Attributes:
        shift: Largest shift in each direction, as a share of the image's side.
        mirror: Whether half of the images are mirrored left to right.
    """

    shift: float
    mirror: bool


# A photograph's mirror image shows the same thing, moved or not: He et al. 2015, section 4.2.
PHOTOGRAPHS = Augmentation(shift=1 / 8, mirror=True)
# A mirrored 2 isn't a digit any more, and a shifted one may lose a stroke: digits touch the edge.
DIGITS = Augmentation(shift=0, mirror=False)


@dataclass(frozen=True)
class Images:
    """The training or validation part of a data set, on the device.

    Attributes:
        pixels: uint8 of shape (images, side, side, 3).
        labels: int64 of shape (images,).
        statistics: Mean and deviation of the channels of any image, of shape (2, 3).
        image_size: Height and width of the images in a batch.
        augmentation: Applied by `shuffled_batches` alone.
    """

    pixels: Tensor
    labels: Tensor
    statistics: Tensor
    image_size: int
    augmentation: Augmentation

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield all images in order, unchanged: float (batch, 3, height, width) and labels."""
        for pixels, labels in zip(self.pixels.split(size), self.labels.split(size), strict=True):
            yield self._normalised(pixels), labels

    def shuffled_batches(self, size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield all images in an order, and with an augmentation, that depends on `seed` alone.

        A last batch of a single image is left out: at 32 pixels the last feature maps have one
        pixel, and batch normalization needs more than one value per channel.
        """
        side = self.pixels.shape[1]
        reach = round(side * self.augmentation.shift)
        random = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self), generator=random)
        top, left = torch.randint(-reach, reach + 1, (2, len(self)), generator=random)
        mirrored = torch.rand(len(self), generator=random) < 0.5 * self.augmentation.mirror
        # One transfer per epoch, not per step.
        columns = [values.to(self.pixels.device) for values in (order, top, left, mirrored)]
        for batch in zip(*(column.split(size) for column in columns), strict=True):
            if len(batch[0]) > 1:
                yield self._normalised(self._changed(*batch)), self.labels[batch[0]]

    def steps(self, size: int) -> int:
        """Return the number of batches that `shuffled_batches` yields."""
        return len(self) // size + (len(self) % size > 1)

    def _changed(self, index: Tensor, top: Tensor, left: Tensor, mirrored: Tensor) -> Tensor:
        """Gather, shift and mirror a batch at once; what is shifted in repeats the rim."""
        side = self.pixels.shape[1]
        span = torch.arange(side, device=self.pixels.device)
        rows = (span + top[:, None]).clamp(0, side - 1)
        columns = torch.where(mirrored[:, None], span.flip(0), span)
        columns = (columns + left[:, None]).clamp(0, side - 1)
        return self.pixels[index[:, None, None], rows[:, :, None], columns[:, None, :]]

    def _normalised(self, pixels: Tensor) -> Tensor:
        if pixels.shape[1] != self.image_size:
            pixels = self._resized(pixels)
        mean, deviation = self.statistics
        # Channels stay last in memory, which is what convolutions are fastest with.
        return ((pixels - mean) / deviation).permute(0, 3, 1, 2)

    def _resized(self, pixels: Tensor) -> Tensor:
        images = pixels.permute(0, 3, 1, 2)
        if images.is_cuda:
            # PyTorch resizes bytes on CPUs alone, where they are 16 times as fast as floats.
            images = images.float()
        images = interpolate(images, size=self.image_size, mode="bilinear", antialias=True)
        return images.permute(0, 2, 3, 1)


def load(config: TrainingConfig, device: torch.device) -> tuple[Images, Images]:
    """Return the training and the validation images.

    Both come from the data set's training part: a sweep must not choose by its test images.

    Raises:
        WorkshopError: The data are not there or damaged, have another number of classes than
            `num_classes`, or `sample_ratio` leaves too few of them.
    """
    if problem := missing(config):
        raise WorkshopError(problem)
    source = _source(config)
    if source.classes != config.num_classes:
        raise WorkshopError(
            f"num_classes is {config.num_classes}, but {config.dataset} has {source.classes} "
            f"classes: set num_classes to {source.classes}"
        )
    order = torch.randperm(len(source.labels), generator=torch.Generator().manual_seed(SPLIT_SEED))
    parts = []
    boundary = round(len(order) * VALIDATION_SHARE)
    for part, least in ((order[boundary:], 2), (order[:boundary], 1)):
        index = part[: round(len(part) * config.sample_ratio)]
        if len(index) < least:
            raise WorkshopError(
                f"sample_ratio is {config.sample_ratio}, which leaves {len(index)} of "
                f"{len(part)} images of {config.dataset}: raise it"
            )
        parts.append(
            Images(
                source.read(index).to(device),
                source.labels[index].to(device),
                IMAGENET.to(device),
                config.image_size,
                source.augmentation,
            )
        )
    return parts[0], parts[1]


def missing(config: TrainingConfig) -> str | None:
    """Return what to do if the data of `config` are missing; None if they aren't."""
    if config.dataset == "cifar10":
        folder = config.data_folder / "cifar-10-batches-py"
        advice = "run `workshop data cifar10` once, or set dataset to digits"
    elif config.dataset == "digits":
        return None
    else:
        folder = config.image_folder / "train"
        advice = "it must hold a folder of images per class"
    return None if folder.is_dir() else f"there is no folder {shown(folder)}: {advice}"


def prepare(path: str) -> None:
    """Download CIFAR-10 (163 MiB) into the folder `path`, unless it is there and intact.

    Raises:
        WorkshopError: The download fails.
    """
    from torchvision.datasets import CIFAR10

    try:
        CIFAR10(from_root(path), train=True, download=True)
    except (OSError, RuntimeError) as error:
        raise WorkshopError(
            f"CIFAR-10 cannot be downloaded to {shown(from_root(path))} ({error}): try again with "
            "internet access and 500 MiB of free space, or copy a folder cifar-10-batches-py there"
        ) from error


def _source(config: TrainingConfig) -> Source:
    if config.dataset == "digits":
        return _digits()
    if config.dataset == "cifar10":
        return _cifar10(config.data_folder)
    return _image_folder(config.image_folder / "train", config.image_size)


def _digits() -> Source:
    """Return scikit-learn's 1,797 handwritten digits as images of 32 pixels.

    The file is the one that `sklearn.datasets.load_digits` reads; importing scikit-learn only
    to read it would cost every trial three seconds.
    """
    file = distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")
    table = np.loadtxt(str(file), delimiter=",")
    inks = torch.tensor(table[:, :64], dtype=torch.float32).view(-1, 1, 8, 8)
    images = interpolate(inks * (255 / 16), size=32, mode="bilinear")
    pixels = images.round().to(torch.uint8).permute(0, 2, 3, 1).expand(-1, -1, -1, 3)
    labels = torch.tensor(table[:, 64], dtype=torch.int64)
    return Source(labels, lambda index: pixels[index], 10, DIGITS)


def _cifar10(folder: Path) -> Source:
    from torchvision.datasets import CIFAR10

    try:
        dataset = CIFAR10(folder, train=True)
    except RuntimeError as error:
        raise WorkshopError(
            f"the files of CIFAR-10 in {shown(folder)} are incomplete or damaged: remove "
            "cifar-10-batches-py there and run `workshop data cifar10`"
        ) from error
    pixels = torch.from_numpy(dataset.data)
    return Source(torch.tensor(dataset.targets), lambda index: pixels[index], 10, PHOTOGRAPHS)


def _image_folder(folder: Path, image_size: int) -> Source:
    """Return the images of a folder of class folders, all as squares of one size.

    The size is that of the first image, but at most `image_size`: small images are enlarged
    batch by batch, large ones are reduced as they are read.
    """
    from torchvision.datasets import ImageFolder

    try:
        dataset = ImageFolder(folder)
    except FileNotFoundError as error:
        raise WorkshopError(
            f"{shown(folder)} is not a folder of images per class ({error}): put each class's "
            "images into a folder of its own"
        ) from error
    paths, labels = zip(*dataset.samples, strict=True)
    with _opened(paths[0]) as first:
        side = min(image_size, *first.size)

    def decode(path: str) -> np.ndarray:
        with _opened(path) as image:
            return np.asarray(ImageOps.fit(image.convert("RGB"), (side, side)))

    def read(index: Tensor) -> Tensor:
        with ThreadPoolExecutor(fair_share()) as pool:
            return torch.from_numpy(np.stack(list(pool.map(decode, [paths[i] for i in index]))))

    return Source(torch.tensor(labels), read, len(dataset.classes), PHOTOGRAPHS)


@contextmanager
def _opened(path: str) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as image:
            yield image
    except OSError as error:
        raise WorkshopError(
            f"{shown(Path(path))} cannot be read as an image ({error}): replace or remove it"
        ) from error

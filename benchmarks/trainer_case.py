"""One process of the trainer's benchmark: one way to train, on made-up images of 32 pixels.

    python -m benchmarks.trainer_case '{"way": "kit", "image_size": 32, ...}'

prints what it measured as a line of JSON.  It is a process of its own, so that start-up and
memory are those of this way alone.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator

BEGAN = time.perf_counter()

import numpy as np  # noqa: E402 - the libraries are part of what is measured
import torch  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.optim.lr_scheduler import LambdaLR  # noqa: E402

from benchmarks import handbook  # noqa: E402
from workshop.trainer import optim, training  # noqa: E402
from workshop.trainer.config import resolve  # noqa: E402
from workshop.trainer.cpus import fair_share  # noqa: E402
from workshop.trainer.data import IMAGENET, PHOTOGRAPHS, Images  # noqa: E402
from workshop.trainer.model import build  # noqa: E402

INPUT_BATCHES = 16
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")

Batches = Iterator[tuple[Tensor, Tensor]]


class Handbook:
    """The handbook's way."""

    def __init__(self, image_size: int, batch_size: int):
        self.image_size, self.batch_size = image_size, batch_size
        self.model = handbook.network().to(DEVICE)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.0005)

    def batches(self, count: int) -> Batches:
        """Return so many batches."""
        pixels, labels = made_up(count * self.batch_size)
        return iter(handbook.loader(pixels, labels, self.image_size, self.batch_size))

    def train(self, batches: Batches) -> None:
        """Take a step for each batch."""
        handbook.train_epoch(self.model, batches, self.optimizer, DEVICE)

    def validate(self, batches: Batches) -> None:
        """Look at each batch without learning from it."""
        handbook.validate(self.model, batches, DEVICE)


class Kit:
    """The kit's trainer."""

    def __init__(self, batch_size: int, **parameters: object):
        torch.set_num_threads(fair_share())
        self.config = resolve({"batch_size": batch_size, "optimizer": "adam"} | parameters)
        self.model = build(self.config).to(DEVICE, memory_format=torch.channels_last)
        self.optimizer = optim.build_optimizer(self.config, self.model)
        self.schedule = LambdaLR(self.optimizer, lambda step: 1.0)
        self.network = training.accelerated(self.model, self.config)

    def batches(self, count: int) -> Batches:
        """Return so many batches."""
        pixels, labels = made_up(count * self.config.batch_size)
        images = Images(
            torch.from_numpy(pixels).to(DEVICE), torch.from_numpy(labels).to(DEVICE),
            IMAGENET.to(DEVICE), self.config.image_size, PHOTOGRAPHS,
        )  # fmt: skip
        return images.shuffled_batches(self.config.batch_size, seed=0)

    def train(self, batches: Batches) -> None:
        """Take a step for each batch."""
        self.model.train()
        training.train_epoch(self.network, batches, self.optimizer, self.schedule)

    def validate(self, batches: Batches) -> None:
        """Look at each batch without learning from it."""
        training.evaluate(self.model, batches)


def main() -> None:
    """Measure the case that the command line describes."""
    case = json.loads(sys.argv[1])
    way, steps = case.pop("way"), case.pop("steps")
    trainer = Handbook(**case) if way == "handbook" else Kit(**case)
    trainer.train(trainer.batches(1))
    started = time.perf_counter() - BEGAN
    trainer.train(trainer.batches(1))  # libraries choose their kernels in the first steps
    batch = case["batch_size"]
    measured = {
        "training": batch / seconds(trainer.train, trainer.batches(steps + 1)) * steps,
        "validation": batch / seconds(trainer.validate, trainer.batches(steps + 1)) * steps,
        "input": batch / seconds(consume, trainer.batches(INPUT_BATCHES + 1)) * INPUT_BATCHES,
        "start-up": started,
        "memory": peak_memory(),
    }
    print(json.dumps(measured))


def seconds(work: Callable[[Batches], None], batches: Batches) -> float:
    """Return how long the work took; the first batch is left out, with what starts then."""
    next(batches)
    wait()
    begin = time.perf_counter()
    work(batches)
    wait()
    return time.perf_counter() - begin


def consume(batches: Batches) -> None:
    """Let the batches be made, and do nothing with them."""
    for _ in batches:
        pass


def wait() -> None:
    """Wait until the device has done all its work."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def peak_memory() -> float:
    """Return the largest memory so far in GB: of the device, else of the process."""
    if DEVICE.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def made_up(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return random images, uint8 of shape (count, 32, 32, 3), and labels."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return pixels, random.integers(0, 10, count)


if __name__ == "__main__":
    main()

"""The data sets, their split, and what is done to their images."""

import hashlib
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import CIFAR10

from workshop import cli
from workshop.errors import WorkshopError
from workshop.paths import shown
from workshop.trainer import data
from workshop.trainer.config import resolve
from workshop.trainer.data import DIGITS, PHOTOGRAPHS, Images, load, missing, prepare

CPU = torch.device("cpu")


def images(pixels, augmentation=PHOTOGRAPHS, image_size=None):
    """Return an `Images` that does not normalize, with the pixels' index as label."""
    return Images(
        pixels,
        torch.arange(len(pixels)),
        torch.tensor([[0.0] * 3, [1.0] * 3]),
        image_size or pixels.shape[1],
        augmentation,
    )


def fingerprints(part):
    return {hashlib.sha256(image.numpy().tobytes()).digest() for image in part.pixels}


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    source = data._digits()
    digits = load_digits()
    assert source.labels.tolist() == digits.target.tolist()
    pixels = source.read(torch.arange(len(source.labels)))
    assert pixels.shape == (1797, 32, 32, 3)
    assert pixels.dtype == torch.uint8
    inks = pixels[..., 0].reshape(-1, 8, 4, 8, 4).float().mean(dim=(2, 4)) / 255 * 16
    # Bilinear enlargement blurs every square of 4 x 4 pixels, but it hardly moves the ink.
    assert np.corrcoef(inks.flatten(), digits.images.flatten())[0, 1] > 0.97


def test_the_split_is_a_partition_and_the_same_for_every_run():
    training, validation = load(resolve({"seed": 0}), CPU)
    assert (len(training), len(validation)) == (1438, 359)
    assert not fingerprints(training) & fingerprints(validation)

    others = load(resolve({"seed": 1, "learning_rate": 0.1, "batch_size": 7}), CPU)
    assert torch.equal(validation.pixels, others[1].pixels)
    assert torch.equal(training.pixels, others[0].pixels)


def test_a_sample_is_taken_from_each_part():
    whole = load(resolve(), CPU)
    sample = load(resolve({"sample_ratio": 0.1}), CPU)
    assert [len(part) for part in sample] == [144, 36]
    for part, all_of_it in zip(sample, whole, strict=True):
        assert fingerprints(part) <= fingerprints(all_of_it)


def test_a_sample_of_nothing_is_refused():
    with pytest.raises(WorkshopError, match=r"sample_ratio is 0\.0001, which leaves 0 of 1438"):
        load(resolve({"sample_ratio": 0.0001}), CPU)


def test_the_number_of_classes_must_fit():
    with pytest.raises(WorkshopError, match="num_classes is 7, but digits has 10 classes"):
        load(resolve({"num_classes": 7}), CPU)


def test_digits_are_never_changed():
    training, _ = load(resolve(), CPU)
    assert training.augmentation == DIGITS
    unchanged = {}
    for batch, labels in training.batches(64):
        for image, label in zip(batch, labels, strict=True):
            unchanged.setdefault(image.numpy().tobytes(), label)
    for batch, labels in training.shuffled_batches(64, seed=0):
        for image, label in zip(batch, labels, strict=True):
            assert unchanged[image.numpy().tobytes()] == label


def test_photographs_are_shifted_and_mirrored():
    side = 16
    picture = torch.randint(256, (side, side, 3), dtype=torch.uint8)
    seen = set()
    part = images(picture.repeat(2000, 1, 1, 1))
    for batch, _ in part.shuffled_batches(500, seed=0):
        seen |= {image.numpy().astype(np.uint8).tobytes() for image in batch.permute(0, 2, 3, 1)}

    expected = set()
    for mirrored in (picture, picture.flip(1)):
        padded = np.pad(mirrored.numpy(), ((2, 2), (2, 2), (0, 0)), mode="edge")
        for top in range(5):
            for left in range(5):
                expected.add(padded[top : top + side, left : left + side].tobytes())
    assert seen == expected, "every shift by up to an eighth, mirrored or not, and nothing else"


def test_validation_images_are_never_changed():
    pixels = torch.randint(256, (50, 8, 8, 3), dtype=torch.uint8)
    batches = list(images(pixels).batches(20))
    assert [len(labels) for _, labels in batches] == [20, 20, 10]
    assert torch.equal(torch.cat([batch for batch, _ in batches]).permute(0, 2, 3, 1), pixels)


def test_order_and_augmentation_follow_from_the_seed():
    part = images(torch.randint(256, (40, 8, 8, 3), dtype=torch.uint8))

    def epoch(seed):
        batches = list(part.shuffled_batches(16, seed))
        return torch.cat([batch for batch, _ in batches]), torch.cat([y for _, y in batches])

    pixels, labels = epoch(1)
    assert sorted(labels.tolist()) == list(range(40))
    assert torch.equal(epoch(1)[0], pixels)
    assert not torch.equal(epoch(2)[1], labels)


@pytest.mark.parametrize(("count", "sizes"), [(8, [4, 4]), (9, [4, 4]), (10, [4, 4, 2])])
def test_no_batch_of_a_single_image(count, sizes):
    part = images(torch.zeros(count, 8, 8, 3, dtype=torch.uint8))
    assert [len(labels) for _, labels in part.shuffled_batches(4, seed=0)] == sizes
    assert part.steps(4) == len(sizes)


def test_batches_are_normalised_resized_and_channels_last():
    training, validation = load(resolve({"image_size": 48, "sample_ratio": 0.5}), CPU)
    batch, _ = next(training.shuffled_batches(64, seed=0))
    assert batch.shape == (64, 3, 48, 48)
    assert batch.dtype == torch.float32
    assert batch.is_contiguous(memory_format=torch.channels_last)
    black = validation._normalised(torch.zeros(1, 32, 32, 3, dtype=torch.uint8))
    assert black[0, :, 0, 0].tolist() == pytest.approx(
        [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225]
    )


@pytest.mark.parametrize("size", [13, 80])
def test_resized_as_pillow_does(size):
    """The handbook's transforms resize with Pillow; both round to whole levels."""
    random = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8, generator=random)
    found = images(pixels, image_size=size)._resized(pixels)
    for before, after in zip(pixels, found, strict=True):
        picture = Image.fromarray(before.numpy()).resize((size, size), Image.Resampling.BILINEAR)
        expected = torch.from_numpy(np.asarray(picture).copy())
        assert (after.int() - expected.int()).abs().max() <= 1


def write_class_folders(folder, size=(32, 32), count=5):
    for number, name in enumerate(("cat", "dog")):
        (folder / "train" / name).mkdir(parents=True)
        for i in range(count):
            picture = Image.new("RGB", size, (100 * number, 10 * i, 0))
            picture.save(folder / "train" / name / f"{i}.png")


def test_a_folder_of_images(tmp_path):
    write_class_folders(tmp_path)
    config = resolve({"dataset": f"images:{tmp_path}", "num_classes": 2})
    training, validation = load(config, CPU)
    assert (len(training), len(validation)) == (8, 2)
    assert training.augmentation == PHOTOGRAPHS
    for part in (training, validation):
        assert torch.equal(part.pixels[:, 0, 0, 0], (100 * part.labels).to(torch.uint8))


def test_large_images_are_reduced_and_small_ones_kept(tmp_path):
    write_class_folders(tmp_path, size=(80, 60))
    arguments = {"dataset": f"images:{tmp_path}", "num_classes": 2}
    assert load(resolve(arguments | {"image_size": 32}), CPU)[0].pixels.shape[1:] == (32, 32, 3)
    assert load(resolve(arguments | {"image_size": 224}), CPU)[0].pixels.shape[1:] == (60, 60, 3)


def test_a_damaged_image_is_named(tmp_path):
    write_class_folders(tmp_path)
    (tmp_path / "train" / "dog" / "0.png").write_bytes(b"no picture")
    with pytest.raises(WorkshopError, match=r"dog/0\.png cannot be read as an image"):
        load(resolve({"dataset": f"images:{tmp_path}", "num_classes": 2}), CPU)


def test_a_class_without_images_is_named(tmp_path):
    write_class_folders(tmp_path)
    (tmp_path / "train" / "emu").mkdir()
    with pytest.raises(WorkshopError, match=r"not a folder of images per class \(.*emu"):
        load(resolve({"dataset": f"images:{tmp_path}", "num_classes": 2}), CPU)


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        ({"dataset": "cifar10", "data_path": "{}"}, "run `workshop data cifar10` once"),
        ({"dataset": "images:{}"}, "it must hold a folder of images per class"),
    ],
)
def test_data_that_are_not_there_are_not_replaced(tmp_path, arguments, advice):
    config = resolve({key: value.format(tmp_path) for key, value in arguments.items()})
    assert str(tmp_path) in missing(config)
    with pytest.raises(WorkshopError, match=advice):
        load(config, CPU)
    assert missing(resolve()) is None


@pytest.fixture
def official_files(tmp_path, monkeypatch):
    """Five files in the format of CIFAR-10, with 20 images each, and their checksums."""
    folder = tmp_path / CIFAR10.base_folder
    folder.mkdir()
    names = {"label_names": [f"class {i}" for i in range(10)]}
    checksums = {}
    for name, _ in CIFAR10.train_list + CIFAR10.test_list:
        number = len(checksums)
        batch = {
            "data": np.full((20, 3072), number, np.uint8),
            "labels": [(number + i) % 10 for i in range(20)],
        }
        (folder / name).write_bytes(pickle.dumps(batch))
        checksums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    (folder / CIFAR10.meta["filename"]).write_bytes(pickle.dumps(names))
    meta = hashlib.md5((folder / CIFAR10.meta["filename"]).read_bytes()).hexdigest()
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": meta})
    for part in ("train_list", "test_list"):
        entries = [[name, checksums[name]] for name, _ in getattr(CIFAR10, part)]
        monkeypatch.setattr(CIFAR10, part, entries)
    return folder


def test_official_files_of_cifar10(official_files):
    config = resolve({"dataset": "cifar10", "data_path": str(official_files.parent)})
    training, validation = load(config, CPU)
    assert (len(training), len(validation)) == (80, 20)
    assert training.pixels.shape[1:] == (32, 32, 3)
    values = torch.cat([training.pixels, validation.pixels]).flatten(1).unique().tolist()
    assert values == [0, 1, 2, 3, 4], "the five training files, and not the test file"


def test_damaged_files_of_cifar10_are_refused(official_files):
    with (official_files / "data_batch_3").open("ab") as file:
        file.write(b"!")
    config = resolve({"dataset": "cifar10", "data_path": str(official_files.parent)})
    with pytest.raises(WorkshopError, match="incomplete or damaged: remove"):
        load(config, CPU)


def test_prepare_leaves_good_files_alone(official_files, capsys):
    before = {file: file.stat().st_mtime_ns for file in official_files.iterdir()}
    assert cli.main(["data", "cifar10", "--path", str(official_files.parent)]) == 0
    assert capsys.readouterr().out == f"cifar10 is in {shown(official_files.parent)}\n"
    assert before == {file: file.stat().st_mtime_ns for file in official_files.iterdir()}


def test_prepare_without_internet(tmp_path, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(WorkshopError, match=r"CIFAR-10 cannot be downloaded to .*internet access"):
        prepare(str(tmp_path))

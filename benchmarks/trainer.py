"""`python -m benchmarks.trainer`: the kit's trainer beside the handbook's way.

Every way is measured in processes of its own, in turn, again and again, so that other work on
the machine hits each alike; what is shown are medians with the lowest and the highest.  With a
GPU everything runs on it, and two parts more can be measured.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path

import torch

from benchmarks import counting
from benchmarks.report import Report
from benchmarks.trainer_case import Kit
from workshop import wandb_sweep
from workshop.connection import backend
from workshop.define.definition import load
from workshop.initialize import registration
from workshop.initialize.run_states import ENDED
from workshop.paths import ROOT
from workshop.run_agents import local
from workshop.run_agents.warm import run_warm
from workshop.trainer import training
from workshop.trainer.config import resolve
from workshop.trainer.cpus import available_cpus

GPU = torch.cuda.is_available()
DEVICE = torch.device("cuda" if GPU else "cpu")
PARTS = ("steps", "startup", "trials", "memory", "floor", "accuracy")
SMALL, LARGE = (512, 128) if GPU else (128, 32)  # batches at 32 and at 224 pixels
FEW, MANY = (20, 100) if GPU else (2, 10)  # steps that take long, and steps that do not

CASES = {
    "handbook, 224 px": {"way": "handbook", "image_size": 224, "batch_size": LARGE, "steps": FEW},
    "kit, 224 px": {"way": "kit", "image_size": 224, "batch_size": LARGE, "steps": FEW},
    "kit, 32 px": {"way": "kit", "image_size": 32, "batch_size": SMALL, "steps": MANY},
    "kit, 32 px, cifar stem": {
        "way": "kit", "image_size": 32, "stem": "cifar", "batch_size": SMALL, "steps": FEW,
    },
}  # fmt: skip
SIDE_BY_SIDE = {} if GPU else {
    "kit, 32 px, two processes together": CASES["kit, 32 px"] | {"processes": 2}
}  # fmt: skip
COMPILED = {
    f"{name}, compiled ({mode})": CASES[name] | {"compile": mode}
    for name in ("kit, 32 px", "kit, 32 px, cifar stem")
    for mode in ("default", "reduce-overhead")
}

# Of CIFAR-10, as the kit divides its training part.
TRAINING_IMAGES, VALIDATION_IMAGES = 40_000, 10_000
RATES = [0.01, 0.003, 0.001, 0.0003]

# What is to reach 94 % on one GPU: a cycle of the learning rate, Goyal et al. 2017 for its height
# (0.1 for 256 images), and Müller et al. 2019, https://arxiv.org/abs/1906.02629, for the smoothing.
TO_94 = {
    "dataset": "cifar10", "stem": "cifar", "batch_size": 512, "num_epochs": 18, "optimizer": "sgd",
    "learning_rate": 0.2, "weight_decay": 0.0005, "scheduler": "one_cycle",
    "label_smoothing": 0.1,
}  # fmt: skip


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.trainer",
        description="Measure the trainer beside the handbook's way, on the GPU if there is one.",
    )
    parser.add_argument("--only", action="append", choices=PARTS, help="may be repeated")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="(default: 3)")
    parser.add_argument("--compiled", action="store_true", help="steps with torch.compile, too")
    parser.add_argument("--data", metavar="FOLDER", help="CIFAR-10, for accuracy (needs a GPU)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables there as well")
    options = parser.parse_args()
    report = Report(["torch", "torchvision", "wandb"])
    wanted = options.only or [part for part in PARTS if part != "accuracy" or options.data]
    if "steps" in wanted:
        compiled = COMPILED if options.compiled or GPU else {}
        steps(report, options.repeats, CASES | SIDE_BY_SIDE | compiled)
    with tempfile.TemporaryDirectory() as home:
        os.environ["WORKSHOP_HOME"] = home
        for variable in [name for name in os.environ if name.startswith("WANDB_")]:
            del os.environ[variable]
        with backend.session("local"):
            if "startup" in wanted:
                startup(report, options.repeats)
            if "trials" in wanted:
                trials(report, options.repeats)
            if "memory" in wanted:
                memory(report)
    if "floor" in wanted:  # after the memory, which it fills
        floor(report)
    if "accuracy" in wanted:
        accuracy(report, options.data)
    if options.json:
        report.save(options.json)


def steps(report: Report, repeats: int, cases: dict[str, dict]) -> None:
    """Compare training steps, validation, input and memory."""
    found: dict[str, list[dict]] = {name: [] for name in cases}
    for _ in range(repeats):
        for name, case in cases.items():
            found[name].append(measured_together(name, **case))
    reference = middle(found["handbook, 224 px"], epoch)
    for name, each in found.items():
        report.add(
            f"ResNet-50 on {device_name()}, images per second",
            {
                "way".ljust(40): name,
                "training".rjust(22): shown(measured["training"] for measured in each),
                "validation": middle(each, lambda measured: measured["validation"]),
                "input alone": middle(each, lambda measured: measured["input"]),
                "input, % of a step": middle(
                    each, lambda measured: 100 * measured["training"] / measured["input"]
                ),
                "epoch, s".rjust(24): shown(map(epoch, each)),
                "x": reference / middle(each, epoch),
                "start-up, s": middle(each, lambda measured: measured["start-up"]),
                "memory, GB": middle(each, lambda measured: measured["memory"]),
            },
            note=f"{repeats} repeats, batches of {LARGE} images at 224 px and {SMALL} at 32 px; "
            f"an epoch is {TRAINING_IMAGES:,} training and {VALIDATION_IMAGES:,} validation "
            "images, reckoned from the rates; start-up includes the first step and compilation",
        )


def measured_together(name: str, processes: int = 1, **case: object) -> dict[str, float]:
    """Return what processes of one case measure side by side, their figures added up."""
    command = [sys.executable, "-m", "benchmarks.trainer_case", json.dumps(case)]
    environment = os.environ | {"WORKSHOP_AGENTS": str(processes)}
    started = [
        subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(processes)
    ]  # fmt: skip
    rows = []
    for process in started:
        output, problem = process.communicate()
        if process.returncode:
            sys.exit(f"{name}: {problem}")
        rows.append(json.loads(output.splitlines()[-1]))
    together = {key: sum(row[key] for row in rows) for key in rows[0]}
    return together | {"start-up": max(row["start-up"] for row in rows)}


def epoch(measured: dict[str, float]) -> float:
    """Return the seconds of an epoch of CIFAR-10 with its validation."""
    return TRAINING_IMAGES / measured["training"] + VALIDATION_IMAGES / measured["validation"]


def floor(report: Report) -> None:
    """Count what a step of the kit needs, and how long it would take at the device's best."""
    precision = torch.bfloat16 if training.has_bfloat16(DEVICE) else torch.float32
    operations = counting.peak_operations(DEVICE, precision)
    bandwidth = counting.peak_bytes(DEVICE)
    for name, case in CASES.items():
        if case["way"] == "kit":
            done, moved = counting.count(one_step(case))
            images = case["batch_size"]
            report.add(
                "What a step needs, and how fast it could be",
                {
                    "way".ljust(24): name,
                    "GFLOP an image": done / images / 1e9,
                    "MB an image": moved / images / 1e6,
                    "images/s by operations": operations * images / done,
                    "images/s by bytes": bandwidth * images / moved,
                },
                note=f"{precision} products of large matrices: {operations / 1e12:.3g} TFLOP/s; a "
                f"large copy: {bandwidth / 1e9:.3g} GB/s; bytes as if every operation read from "
                "and wrote to memory, without fusing any",
            )


def one_step(case: dict) -> Callable[[], None]:
    """Return a training step of the kit."""
    parameters = {name: value for name, value in case.items() if name not in ("way", "steps")}
    kit = Kit(**parameters)

    def step() -> None:
        kit.train(kit.batches(1))

    step()
    return step


def startup(report: Report, repeats: int) -> None:
    """Split the time from the start of `wandb agent` to the first training step."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(repeats):
            file = Path(folder) / f"{number}.json"
            os.environ["BENCHMARK_STARTUP"] = str(file)
            path = registered("benchmarks.startup", [0.001], scale="smoke", num_epochs=1)
            os.environ["BENCHMARK_BEGAN"] = repr(time.time())
            quietly(partial(local.run_processes, path, tasks=1, at_once=1))
            found.append(json.loads(file.read_text()))
    for parts in found:
        parts["all of it"] = sum(parts.values())
    for part in found[0]:
        report.add(
            "From `wandb agent` to the first training step, seconds",
            {"part".ljust(28): part, "seconds".ljust(20): shown(parts[part] for parts in found)},
            note=f"ResNet-50 at scale smoke, {repeats} repeats",
        )


def trials(report: Report, repeats: int) -> None:
    """Compare whole trials at scale smoke, by one agent and by two."""
    ways = {
        ("handbook, 32 px", 1): ("benchmarks.handbook", local.run_processes),
        ("handbook, 32 px", 2): ("benchmarks.handbook", local.run_processes),
        ("kit, agent processes", 1): ("workshop.wandb_sweep", local.run_processes),
        ("kit, agent processes", 2): ("workshop.wandb_sweep", local.run_processes),
        ("kit, warm agents", 1): ("workshop.wandb_sweep", run_warm),
        ("kit, warm agents", 2): ("workshop.wandb_sweep", run_warm),
    }
    found: dict[tuple, list[list[float]]] = {way: [] for way in ways}
    for _ in range(repeats):
        for way, (program, run) in ways.items():
            size = {"image_size": 32} if program == "benchmarks.handbook" else {"scale": "smoke"}
            path = registered(program, RATES, **size)
            count = {"tasks": way[1]} if run is local.run_processes else {}
            # What a SLURM task's CPUs would do for the handbook's way; the kit's counts itself.
            os.environ["OMP_NUM_THREADS"] = str(max(1, available_cpus() // way[1]))
            found[way].append(ends(path, partial(run, path, at_once=way[1], **count)))
    in_all = {way: statistics.median(times[-1] for times in each) for way, each in found.items()}
    for (name, at_once), each in found.items():
        further = [
            (times[-1] - times[at_once - 1]) / (len(RATES) - at_once) * at_once for times in each
        ]
        report.add(
            "Whole trials: ResNet-50 on the digits, 2 epochs",
            {
                "way".ljust(24): name,
                "agents": at_once,
                "first trial, s": statistics.median(times[0] for times in each),
                "a further trial, s": shown(further),
                "trials an hour": 3600 * len(RATES) / in_all[name, at_once],
                "x": in_all["handbook, 32 px", at_once] / in_all[name, at_once],
            },
            note=f"{len(RATES)} trials by the agents together, {repeats} repeats; from the start "
            "of the agents, so that the first trial pays for all that comes before it; warm "
            "agents load the libraries once for all repeats",
        )


def memory(report: Report, runs: int = 20) -> None:
    """See whether one process gives its memory back between runs."""
    path = registered(
        "workshop.wandb_sweep", [0.001], scale="tiny", seed=list(range(runs)), num_epochs=1
    )
    seen = []

    def program() -> None:
        wandb_sweep.main()
        if GPU:
            seen.append(torch.cuda.memory_allocated() / 1e6)
        else:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            seen.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)

    quietly(partial(local.run_in_process, path, program=program))
    for number in (1, 2, 5, 10, runs):
        report.add(
            "Memory after runs in one process, MB",
            {"runs": number, "memory": seen[number - 1]},
            note="allocated on the GPU" if GPU else "resident",
        )


def accuracy(report: Report, data: str | None) -> None:
    """Train on CIFAR-10 until 90 % and 94 % Validation Accuracy."""
    if not GPU or not data:
        sys.exit("accuracy needs a GPU, and CIFAR-10: --data FOLDER")
    for seed in range(3):
        log = Log()
        training.train(resolve(TO_94 | {"data_path": data, "seed": seed}), log)
        report.add(
            f"ResNet-50 on CIFAR-10, {device_name()}",
            {
                "seed": seed,
                "90 %, s": log.seconds_to(90),
                "94 %, s": log.seconds_to(94),
                "in all, s": log.rows[-1][0],
                "Validation Accuracy": log.rows[-1][1],
            },
            note=f"from the call of `train` to the end of the epoch; {TO_94}",
        )


class Log:
    """What `train` needs of a run, with the time of each epoch's end."""

    id = "benchmark"
    starting_step = 0

    def __init__(self):
        self.summary: dict[str, object] = {}
        self.rows: list[tuple[float, float]] = []
        self._began = time.perf_counter()

    def log(self, metrics: dict[str, float], **_: object) -> None:
        """Note when an epoch ended, and how well."""
        self.rows.append((time.perf_counter() - self._began, metrics["Validation Accuracy"]))

    def seconds_to(self, percent: float) -> float | str:
        """Return when an accuracy was first reached."""
        reached = (seconds for seconds, accuracy in self.rows if accuracy >= percent)
        return next(reached, "not reached")


def registered(program: str, rates: list[float], **parameters: object) -> str:
    """Register a grid whose runs start a program; return its path."""
    definition = load("configs/sweep_config.yaml")
    definition["program"] = program
    definition["command"] = ["${env}", "python", "-m", program, "${args}"]
    definition["parameters"] = {"learning_rate": {"values": rates}} | {
        name: {"values": value} if isinstance(value, list) else {"value": value}
        for name, value in parameters.items()
    }
    # Without the kit's linter, which does not know the programs of this benchmark.
    with redirect_stdout(StringIO()):
        return registration.create(definition, "benchmark")


def ends(path: str, work: Callable[[], object]) -> list[float]:
    """Let agents work; return when each run ended, in seconds from the agents' start."""
    begin = time.perf_counter()
    times: list[float] = []
    working = threading.Thread(target=quietly, args=(work,))
    working.start()
    while working.is_alive():
        states = registration.states(path)
        now = time.perf_counter() - begin
        times += [now] * (sum(states[state] for state in ENDED) - len(times))
        time.sleep(0.2)
    if registration.states(path)["finished"] != len(RATES):
        sys.exit(f"not all runs of {path} finished: {dict(registration.states(path))}")
    return times


def quietly(work: Callable[[], object]) -> None:
    """Do the work without what it prints."""
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        work()


def middle(found: Iterable[dict], value: Callable[[dict], float]) -> float:
    """Return the median of a value over the repeats."""
    return statistics.median(value(each) for each in found)


def shown(values: Iterable[float]) -> str:
    """Return the median of some values, with the lowest and the highest."""
    ordered = sorted(values)
    return f"{statistics.median(ordered):.3g} ({ordered[0]:.3g} to {ordered[-1]:.3g})"


def device_name() -> str:
    """Return what computes."""
    return torch.cuda.get_device_name() if GPU else f"{os.cpu_count()} CPU cores"


if __name__ == "__main__":
    main()

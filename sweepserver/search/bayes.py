"""Bayesian search, by Optuna's Gaussian process.

Only the process for long computations imports this: Optuna and what it needs are large.
https://optuna.readthedocs.io/en/stable/reference/samplers/generated/optuna.samplers.GPSampler.html
"""

import itertools
import random
import warnings
from collections.abc import Iterator
from statistics import median

import optuna

# Optuna would import these two at the first suggestion, and an agent would wait for them.
import scipy.stats.qmc  # noqa: F401
import torch  # noqa: F401
from optuna.trial import TrialState, create_trial

from sweepserver.search.axes import Axis, axis_of
from sweepserver.search.distributions import sample
from sweepserver.search.metric import Metric
from sweepserver.search.parameters import flatten
from sweepserver.search.points import Trial, at, key, nest, same

STARTUP_RESULTS = 5  # that must be known before the process is asked
MOST_ENDED_TRIALS = 300  # that it learns from; its time grows with their third power
MOST_LIVE_TRIALS = 40
MOST_DRAWS = 100  # attempts to find another point by chance, before all are listed
FARTHEST = 5  # times as far from the median as the best result: what is worse counts as this bad

optuna.logging.set_verbosity(optuna.logging.ERROR)


def suggest(config: dict, trials: list[Trial], seed: int) -> dict:
    """Return the next point of a sweep with `method: bayes`.

    The first points are random.  Later ones promise to be better than the best so far, given what
    is being tried.  A point that was tried already is replaced as long as there are others.

    Args:
        config: The sweep's configuration, which `check` has passed.
        trials: What was tried so far, failed runs included.
        seed: Decides about all that is random.
    """
    rng = random.Random(seed)  # noqa: S311
    parameters = dict(flatten(config["parameters"]))
    axes = {path: axis for path, s in parameters.items() if (axis := axis_of(s))}
    tried = {key(trial.point, axes) for trial in trials}
    sign = Metric.required(config).sign
    values = draw(parameters, rng)
    values |= ask(axes, trials, sign, rng.getrandbits(32))
    for candidate in itertools.chain([values], others(parameters, axes, len(tried), rng)):
        if tuple(same(candidate[path]) for path in axes) not in tried:
            return nest(candidate)
    return nest(values)


def draw(parameters: dict[tuple, dict], rng: random.Random) -> dict[tuple, object]:
    """Return a random value of each parameter, by its path."""
    return {path: sample(settings, rng) for path, settings in parameters.items()}


def others(
    parameters: dict[tuple, dict], axes: dict[tuple, Axis], tried: int, rng: random.Random
) -> Iterator[dict[tuple, object]]:
    """Yield points, a new one among them if there is one that is not among `tried` others.

    Args:
        parameters: The distributions of the parameters, by their paths.
        axes: Of those that vary, the axes.
        tried: How many points there are already.
        rng: What the random points are drawn with.
    """
    for _ in range(MOST_DRAWS):
        yield draw(parameters, rng)
    choices = [values for axis in axes.values() if (values := axis.values()) is not None]
    if len(choices) == len(axes):
        for point in itertools.product(*(itertools.islice(c, tried + 1) for c in choices)):
            yield draw(parameters, rng) | dict(zip(axes, point, strict=True))


def ask(axes: dict[tuple, Axis], trials: list[Trial], sign: int, seed: int) -> dict[tuple, object]:
    """Return what the Gaussian process suggests for each parameter that varies.

    Args:
        axes: The dimensions by the parameters' paths.
        trials: What was tried so far.
        sign: 1 if small values are good, -1 if large ones are.
        seed: Decides about all that is random.

    Returns:
        The values by path, none as long as too little is known.
    """
    distributions = {str(path): axis.distribution for path, axis in axes.items()}
    ended, live = [], []
    for trial in trials:
        place = {str(path): axis.coordinate(at(trial.point, path)) for path, axis in axes.items()}
        if None in place.values():
            continue
        if trial.is_live:
            live.append(place)
        else:
            ended.append((place, None if trial.value is None else sign * trial.value))
    known = [loss for _, loss in ended if loss is not None]
    if not axes or len(known) < STARTUP_RESULTS:
        return {}
    sampler = optuna.samplers.GPSampler(seed=seed, n_startup_trials=1)
    study = optuna.create_study(sampler=sampler)
    study.add_trials(
        [
            create_trial(params=place, distributions=distributions, value=loss)
            for place, loss in most_telling(tamed(ended, known))
        ]
    )
    study.add_trials(
        [
            create_trial(params=place, distributions=distributions, state=TrialState.RUNNING)
            for place in live[-MOST_LIVE_TRIALS:]
        ]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = study.ask(distributions).params
    return {path: axis.value(found[str(path)]) for path, axis in axes.items()}


def tamed(ended: list[tuple[dict, float | None]], known: list[float]) -> list[tuple[dict, float]]:
    """Return trials with losses clipped to a range that suits a Gaussian process.

    A run that failed counts as bad as the worst one, as with W&B.  A run that diverged would make
    all others look equal, so there is a limit to how bad a run can be.
    """
    best, middle, worst = min(known), median(known), max(known)
    limit = min(worst, middle + FARTHEST * (middle - best)) if middle > best else worst
    return [(place, limit if loss is None else min(loss, limit)) for place, loss in ended]


def most_telling(ended: list[tuple[dict, float]]) -> list[tuple[dict, float]]:
    """Return the best and the newest trials, `MOST_ENDED_TRIALS` of them."""
    half = MOST_ENDED_TRIALS // 2
    by_loss = sorted(range(len(ended)), key=lambda number: ended[number][1])
    newest = sorted(by_loss[half:])[-half:]
    return [ended[number] for number in by_loss[:half] + newest]

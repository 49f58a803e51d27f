"""What configs/sweep_config_optuna.yaml searches, and with what: Optuna's TPE.

`wandb sweep-scheduler` loads this file where it is started, so start it in the clone.
"""

import optuna


def search_space(trial: optuna.Trial) -> dict:
    """Return the values of one run; what is asked for depends on earlier picks."""
    optimizer = trial.suggest_categorical("optimizer", ["adam", "sgd"])
    values = {
        "scale": "smoke",  # the same for every run, as is
        "model_name": "resnet18",  # a small network: a run takes seconds
        "optimizer": optimizer,
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 0.3, log=True),
        "weight_decay": trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True),
    }
    if optimizer == "sgd":  # a condition, which a sweep's `parameters` cannot have
        values["momentum"] = trial.suggest_float("momentum", 0.5, 0.99)
    return values


def tpe(sweep, seed: int | None = None) -> optuna.Study:
    """Return the study that proposes runs for a sweep.

    It lives as long as the scheduler.  A scheduler that is started again fills a new
    study with the runs of the sweep, so it gives the sampler no seed: its first random
    points would be repeated.
    """
    return optuna.create_study(
        direction=sweep.config["metric"].get("goal", "minimize"),
        sampler=optuna.samplers.TPESampler(
            n_startup_trials=5,
            constant_liar=True,  # unfinished runs count as bad, so agents vary
            seed=seed,
        ),
        pruner=optuna.pruners.NopPruner(),
    )

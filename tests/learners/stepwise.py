"""A learner who knows Python and pandas: step by step, in place, with objects where lists do."""

from tests.learners import Answers, Attempt

ANSWERS: Answers = {
    "1.1": [
        Attempt('lower_loss["metric"]["name"] = "Validation Loss"', "the highest loss would win"),
        Attempt('lower_loss["metric"]["goal"] = "minimize"'),
    ],
    "1.2": [
        Attempt(
            """
            three = load("configs/sweep_config.yaml")
            three["parameters"]["batch_size"] = {"values": [32, 64, 128]}
            runs = preview(three)
            """,
            "a DataFrame isn't an integer",
        ),
        Attempt(
            """
            import numpy as np

            runs = np.prod([len(part.get("values", "1")) for part in three["parameters"].values()])
            """
        ),
    ],
    "1.3": [
        Attempt(
            """
            drawn["method"] = "random"
            drawn["run_cap"] = 10
            drawn["parameters"]["learning_rate"]["min"] = 0.0001
            drawn["parameters"]["learning_rate"]["max"] = 0.1
            """,
            "has the key 'min'",
        ),
        Attempt(
            'del drawn["parameters"]["learning_rate"]["values"]', "nine out of ten draws are above"
        ),
        Attempt('drawn["parameters"]["learning_rate"].update(distribution="log_uniform_values")'),
    ],
    "1.4": [
        Attempt(
            """
            broken["method"] = "bayes"
            broken["metric"]["name"] = "Validation Accuracy"
            rate = broken["parameters"]["learning_rate"]
            rate["min"], rate["max"] = rate["max"], rate["min"]
            broken["parameters"]["optimizer"] = broken["parameters"].pop("optimiser")
            broken["parameters"]["num_epochs"] = {"value": broken["parameters"]["num_epochs"]}
            print(lint(broken))
            repaired = broken
            """,
            "looks for the worst accuracy",
        ),
        Attempt(
            """
            broken["metric"]["goal"] = "maximize"
            broken["run_cap"] = 20
            rate["distribution"] = "log_uniform_values"
            """
        ),
    ],
    "1.5": [
        Attempt(
            """
            question = "Whether more epochs help, or not."
            mine = load("configs/sweep_config.yaml")
            mine["parameters"]["num_epochs"] = {"values": list(range(1, 5))}
            """,
            "it has 32 runs, but there's only time for 24",
        ),
        Attempt(
            """
            mine["parameters"]["learning_rate"] = {"value": 0.01}
            question = "Do more epochs help, or are 2 enough? I'd guess that they help Adam only."
            """
        ),
    ],
    "2.1": [
        Attempt(
            """
            definition["parameters"]["scale"]["value"] = "tiny"
            path = register(definition, project)
            """
        ),
    ],
    "2.2": [
        Attempt(
            """
            from workshop.initialize import cancel, resume, stop

            stop(path)
            """,
            "the sweep is stopped, as if it were done",
        ),
        Attempt(
            """
            resume(path)
            !wandb sweep --pause {path}
            """
        ),
    ],
    "2.3": [
        Attempt(
            """
            cancel(path)
            definition["parameters"]["learning_rate"]["values"] = [0.03]
            new_path = register(definition, project)
            """,
            "8 combinations of the old sweep are missing",
        ),
        Attempt(
            """
            definition["parameters"]["learning_rate"]["values"] += [0.1, 0.01, 0.001, 0.0001]
            new_path = register(definition, project)
            """
        ),
    ],
    "2.4": [
        Attempt(
            """
            lent = load("configs/sweep_config.yaml")
            lent["method"] = "random"
            lent["run_cap"] = 12
            lent["description"] = "Which seed is best?"
            lent["parameters"]["scale"]["value"] = "tiny"
            lent["parameters"]["batch_size"] = {"values": [16, 32]}
            lent["parameters"]["learning_rate"] = {"values": [0.01, 0.001]}
            lent_path = register(lent, project)
            """,
            "12 draws from 8 combinations will repeat some",
        ),
        Attempt(
            """
            lent["description"] = "How large may batches be? (And is it the same for Adam?)"
            lent["parameters"]["batch_size"] = {"min": 8, "max": 128}
            lent_path = register(lent, project)
            """
        ),
    ],
    "3.1": [
        Attempt(
            """
            from workshop.run_agents import run_warm

            run_warm(path, count=1)
            """,
            "2 runs were handed out, not one",
        ),
        Attempt(
            """
            path = register(definition, project)
            run_warm(path, at_once=1, count=1)
            """
        ),
    ],
    "3.2": [
        Attempt("submission = slurm.plan(path, at_once=2)", "each task does 1 run, not two"),
        Attempt("submission = slurm.plan(path, runs_per_task=2, at_once=1)"),
    ],
    "3.3": [Attempt("run_warm(path)")],
    "3.4": [
        Attempt(
            """
            definition["parameters"]["dataset"]["value"] = "digits"
            mended_path = register(definition, project)
            """,
            "cancel this one",
        ),
        Attempt(
            """
            from workshop.initialize import cancel

            cancel(mended_path)
            mended_path = register(definition, f"{project}-broken")
            """,
            "it isn't done yet: no runs yet",
        ),
        Attempt("run_warm(mended_path)"),
    ],
    "3.5": [
        Attempt(
            'throttled = slurm.plan(array_path, at_once=2, site="rehearsal", mem="8G")',
            "half of the memory is your colleague's",
        ),
        Attempt('throttled = slurm.plan(array_path, at_once=1, site="rehearsal", mem="8g")'),
        Attempt('throttled = slurm.plan(array_path, at_once=1, site="rehearsal", mem=8 * 1024)'),
    ],
    "4.1": [
        Attempt(
            'ranking = runs.set_index("name")["Validation Loss"].sort_values()',
            "expected the ranked table, got a Series",
        ),
        Attempt('ranking = runs.sort_values("Validation Loss")'),
        Attempt('ranking = ranking[["name", "learning_rate", "optimizer", "Validation Loss"]]'),
        Attempt(
            'ranking = runs.sort_values("Validation Loss").head(3)', "3 finished runs are missing"
        ),
        Attempt('ranking = runs.nsmallest(len(runs), "Validation Loss").reset_index(drop=True)'),
    ],
    "4.2": [
        Attempt(
            """
            means = runs.groupby("learning_rate")["Validation Accuracy"].mean().sort_values()
            best_rate = means.tail(1)
            """,
            "expected a learning rate, got a Series",
        ),
        Attempt("best_rate = means.index[-1]"),
    ],
    "4.3": [
        Attempt(
            """
            limit = chance_correlation(len(runs))
            beyond = weights.query("abs(correlation) > @limit")
            """,
            "expected a list of names, got a DataFrame",
        ),
        Attempt("beyond = beyond.index"),
        Attempt("beyond = beyond.to_series()"),
    ],
    "4.4": [
        Attempt(
            """
            by_accuracy = spoilt.sort_values("Validation Accuracy", ascending=False)
            winner = by_accuracy["name"].iloc[0]
            """,
            "is failed: it never completed",
        ),
        Attempt(
            """
            counting = by_accuracy.dropna(subset="Validation Accuracy").query("state == 'finished'")
            winner = counting["name"].head(1)
            """,
            "expected the name of a run, got a Series",
        ),
        Attempt("winner = winner.item()"),
    ],
    "4.5": [
        Attempt(
            """
            import numpy as np

            after = load("configs/sweep_config.yaml")
            after["parameters"]["optimizer"]["values"].remove(
                "sgd" if best["optimizer"] == "adam" else "adam"
            )
            after["parameters"]["learning_rate"]["values"] = list(
                best["learning_rate"] * np.array([2, 3, 4])
            )
            """,
            "all learning rates are on one side",
        ),
        Attempt(
            """
            after["parameters"]["learning_rate"]["values"].insert(0, best["learning_rate"] / 2)
            """
        ),
    ],
    "7.1": [
        Attempt(
            """
            doubling = {"type": "hyperband"}
            doubling["min_iter"] = 2
            """,
            "which `eta` doubles",
        ),
        Attempt('doubling["eta"] = 2'),
    ],
    "7.2": [
        Attempt(
            """
            import itertools

            tried = {
                (first, eta): {"type": "hyperband", "min_iter": first, "eta": eta}
                for first, eta in itertools.product([1, 2, 3], [2, 3])
            }
            table = search_methods.compare_stopping(tried)
            good = table[(table["epochs saved"] >= 0.5) & (table["winner lost"] == 0)]
            thrifty = tried[good["epochs saved"].idxmax()]
            """
        ),
    ],
    "7.3": [
        Attempt(
            """
            def space(trial):
                values = wasteful(trial)
                if values["optimizer"] == "adam":
                    del values["momentum"]
                return values
            """,
            "with adam, it asks for a momentum, which Adam ignores",
        ),
        Attempt(
            """
            def space(trial):
                optimizer = trial.suggest_categorical("optimizer", ["adam", "sgd"])
                if optimizer == "sgd":
                    momentum = trial.suggest_float("momentum", 0.5, 0.99)
                else:
                    momentum = 0.0
                learning_rate = trial.suggest_float("learning_rate", 0.0001, 0.3, log=True)
                return dict(optimizer=optimizer, learning_rate=learning_rate, momentum=momentum)
            """
        ),
    ],
    "7.4": [
        Attempt(
            """
            ranked = rank_fronts(runs, goals)
            front = ranked.query("front == 1")
            choice = front.query("seconds <= 3").sort_values(metric).iloc[-1]
            """,
            "expected a list of names, got a DataFrame",
        ),
        Attempt(
            """
            front = front["name"]
            choice = choice["name"]
            """
        ),
        Attempt("front = front.values"),
    ],
    "7.5": [
        Attempt(
            """
            best = (..., ...)
            means = follow_up.groupby(["learning_rate", "optimizer"])[metric].mean()
            winner = sweep.sort_values(metric, ascending=False).iloc[0]
            mean = seeds.groupby(["learning_rate", "optimizer"])[metric].mean()
            too_good = winner[metric] - mean[winner["learning_rate"], winner["optimizer"]]
            """,
            "replace the three dots",
        ),
        Attempt("best = list(means.idxmax())", "includes the lucky seed"),
        Attempt(
            "too_good = round(winner[metric] - means[winner.learning_rate, winner.optimizer], 1)"
        ),
        Attempt(
            'best = rank_points(follow_up, metric, points)[["learning_rate", "optimizer"]].iloc[0]'
        ),
    ],
    "8.1": [
        Attempt(
            """
            start = "run = wandb.init(config=config)\\n"
            mended = faulty.replace(start, start + "config = dict(run.config)\\n")
            """
        ),
    ],
    "8.2": [
        Attempt(
            """
            rates = dotted["parameters"].pop("optimizer.learning_rate")
            dotted["parameters"]["optimizer"] = {"parameters": {"learning_rate": rates}}
            grouped = dotted
            """,
            "the momentum of every run should be 0.9",
        ),
        Attempt(
            """
            grouped["parameters"]["optimizer"]["parameters"]["momentum"] = {"values": [0.9]}
            """
        ),
    ],
    "8.3": [
        Attempt(
            """
            refused["command"] = ["${env}", "${interpreter}", "${program}", "${args_no_hyphens}"]
            accepted = refused
            """
        ),
    ],
}

"""A learner who knows W&B and the shell: commands, YAML, W&B's older forms, numbers by head."""

from tests.learners import Answers, Attempt

ANSWERS: Answers = {
    "1.1": [
        Attempt(
            """
            text = !sed 's/Accuracy/Loss/; s/maximize/minimize/' ../../configs/sweep_config.yaml
            lower_loss = text.n
            """,
            "this is a str, not a definition: give the dictionary from `load` or `yaml.safe_load`",
        ),
        Attempt(
            """
            import yaml

            lower_loss = yaml.safe_load(text.n)
            """
        ),
        Attempt('lower_loss["metric"] = {"name": "Validation Loss"}  # W&B minimizes by default'),
    ],
    "1.2": [
        Attempt('runs = "24 runs"', "'24 runs' isn't an integer"),
        Attempt("runs = 4 * 2 * 3"),
    ],
    "1.3": [
        Attempt(
            """
            base = '''
            program: workshop/wandb_sweep.py
            command: ["${env}", "python", "-m", "workshop.wandb_sweep", "${args}"]
            method: random
            run_cap: 10
            metric: {name: Validation Accuracy, goal: maximize}
            parameters:
              optimizer: {values: [adam, sgd]}
              scale: {value: smoke}
              learning_rate: '''
            drawn = yaml.safe_load(base + "{distribution: log_uniform, min: -4, max: -1}")
            """,
            "exponents of e, so the learning rates go from 0.0183 to 0.368",
        ),
        Attempt(
            """
            drawn = yaml.safe_load(
                base + "{distribution: log_uniform_values, min: 1e-4, max: 1e-1}"
            )
            """,
            "YAML reads it as text, so write 1.0e-4",
        ),
        Attempt(
            'drawn = yaml.safe_load(base + "{distribution: log_uniform, min: -9.21, max: -2.303}")'
        ),
    ],
    "1.4": [
        Attempt(
            """
            repaired = yaml.safe_load('''
            program: workshop/wandb_sweep.py
            command: ["${env}", "python", "-m", "workshop.wandb_sweep", "${args}"]
            method: bayes
            run_cap: 20
            metric: {name: Validation Accuracy}
            parameters:
              learning_rate: {distribution: log_uniform, min: -9.21034, max: -2.302585}
              optimizer: {values: [adam, sgd]}
              num_epochs: {value: 3}
            ''')
            """,
            "looks for the worst accuracy",
        ),
        Attempt('repaired["metric"]["goal"] = "maximize"'),
    ],
    "1.5": [
        Attempt(
            """
            question = "AdamW or SGD?"
            mine = yaml.safe_load('''
            program: workshop/wandb_sweep.py
            command: ["${env}", "python", "-m", "workshop.wandb_sweep", "${args}"]
            method: random
            metric: {name: Validation Loss, goal: minimize}
            parameters:
              scale: {value: tiny}
              optimizer: {values: [adamw, sgd]}
              learning_rate: {distribution: log_uniform, min: -7, max: -2.3}
            ''')
            """,
            "never ends by itself: say after how many runs it should",
        ),
        Attempt('mine["run_cap"] = 12'),
    ],
    "2.1": [
        Attempt(
            """
            !sed 's/smoke/tiny/' ../../configs/sweep_config.yaml > ~/tiny.yaml
            path = !wandb sweep --project {project} ~/tiny.yaml 2>&1
            """,
            "not a path: give entity/project/ID as text",
        ),
        Attempt(
            'path = "wandb agent " + path[-1].split()[-1]',
            "isn't just a path: give only entity/project/ID",
        ),
        Attempt(
            """
            sweep_id = path.split("/")[-1]
            path = sweep_id
            """,
            "is not the full path of a sweep",
        ),
        Attempt('path = f"{server.entity}/{project}/{sweep_id}"'),
    ],
    "2.2": [
        Attempt("!wandb sweep --pause {path}", "still waiting for its first agent"),
        Attempt(
            """
            !wandb sweep --resume {path}
            !wandb sweep --pause {path}
            """
        ),
    ],
    "2.3": [
        Attempt(
            """
            import wandb
            import yaml

            config = yaml.safe_load(open("../../configs/sweep_config.yaml"))
            config["parameters"]["scale"]["value"] = "tiny"
            config["parameters"]["learning_rate"]["values"].append(0.03)
            new_id = wandb.sweep(config, project=project)
            new_path = f"{server.entity}/{project}/{new_id}"
            """,
            "the old sweep is paused",
        ),
        Attempt("!wandb sweep --stop {path}"),
    ],
    "2.4": [
        Attempt(
            """
            config = yaml.safe_load('''
            program: workshop/wandb_sweep.py
            command: ["${env}", "python", "-m", "workshop.wandb_sweep", "${args}"]
            description: Is AdamW better than SGD, whatever the learning rate is?
            method: random
            run_cap: 12
            metric: {name: Validation Loss, goal: minimize}
            parameters:
              scale: {value: tiny}
              optimizer: {values: [adamw, sgd]}
              learning_rate: {distribution: log_uniform, min: -7, max: -2.3}
            ''')
            lent_id = wandb.sweep(config, project=project)
            lent_path = f"{server.entity}/{project}/{lent_id}"
            """
        ),
    ],
    "3.1": [Attempt("!wandb agent --count 1 {path}")],
    "3.2": [
        Attempt(
            "submission = !workshop submit {path} --dry-run",
            "not a plan: give what `slurm.plan` returns",
        ),
        Attempt("submission = slurm.plan(path, 3, 2, 2)"),
    ],
    "3.3": [
        Attempt(
            """
            import wandb

            from workshop.wandb_sweep import main

            wandb.agent(path, function=main)
            """
        ),
    ],
    "3.4": [
        Attempt(
            """
            !wandb sweep --resume {broken_path}
            mended_path = broken_path
            """,
            "both paths are the broken sweep",
        ),
        Attempt(
            """
            import yaml

            config = yaml.safe_load('''
            program: workshop/wandb_sweep.py
            command: ["${env}", "python", "-m", "workshop.wandb_sweep", "${args}"]
            method: grid
            metric: {name: Validation Accuracy, goal: maximize}
            parameters:
              scale: {value: tiny}
              dataset: {value: digits}
              optimizer: {value: adam}
              learning_rate: {values: [0.02, 0.002]}
            ''')
            mended_id = wandb.sweep(config, project=f"{project}-broken")
            mended_path = f"{server.entity}/{project}-broken/{mended_id}"
            wandb.agent(mended_path, function=main)
            """
        ),
    ],
    "3.5": [
        Attempt(
            'throttled = slurm.plan(array_path, 2, 1, site="rehearsal", mem="4G")',
            "a task has 4G of memory, not 8G",
        ),
        Attempt('throttled = slurm.plan(array_path, 2, 1, site="rehearsal", mem="8GB")'),
    ],
    "4.1": [
        Attempt('ranking = rank(runs, "Validation Loss")', "the first row has the highest loss"),
        Attempt('ranking = rank(runs, "Validation Loss", "minimize")'),
    ],
    "4.2": [
        Attempt(
            """
            found = {}
            for run in get(sweep).runs:
                rate = run.config["learning_rate"]
                found.setdefault(rate, []).append(run.summary["Validation Accuracy"])
            best_rate = max(found, key=lambda rate: sum(found[rate]))
            """
        ),
    ],
    "4.3": [
        Attempt(
            """
            limit = chance_correlation(len(runs))
            beyond = {name for name, r in weights["correlation"].items() if abs(r) > limit}
            """
        ),
        Attempt(
            'beyond = ["lr"]', "the sweep didn't vary 'lr': choose from learning_rate, optimizer"
        ),
        Attempt('beyond = tuple(weights[weights["correlation"] ** 2 > limit ** 2].index)'),
    ],
    "4.4": [
        Attempt(
            'winner = spoilt.loc[spoilt["Validation Accuracy"].idxmax(), "name"]',
            "is failed: it never completed",
        ),
        Attempt(
            'winner = rank(spoilt, "Validation Accuracy")["run"][1]',
            "give a name from the column `name`",
        ),
        Attempt('winner = rank(spoilt, "Validation Accuracy")["name"][1]'),
    ],
    "4.5": [
        Attempt(
            """
            import yaml

            rate = best["learning_rate"]
            after = yaml.safe_load(f'''
            program: workshop/wandb_sweep.py
            command: ["${{env}}", "python", "-m", "workshop.wandb_sweep", "${{args}}"]
            method: grid
            metric: {{name: Validation Accuracy, goal: maximize}}
            parameters:
              optimizer: {{value: {best["optimizer"]}}}
              learning_rate: {{values: [{rate / 5}, {rate / 2}, {rate}, {rate * 2}, {rate * 5}]}}
            ''')
            """
        ),
    ],
    "7.1": [
        Attempt(
            """
            import yaml

            doubling = yaml.safe_load('''
            early_terminate: {type: hyperband, max_iter: 16, s: 3, eta: 2}
            ''')
            """,
            "give only what is under early_terminate",
        ),
        Attempt('doubling = doubling["early_terminate"]'),
    ],
    "7.2": [
        Attempt(
            'thrifty = {"type": "hyperband", "min_iter": 3}', "but should save half: compare sooner"
        ),
        Attempt('thrifty = {"type": "hyperband", "max_iter": 18, "s": 2, "eta": 3}'),
    ],
    "7.3": [
        Attempt(
            """
            import math

            def space(trial):
                values = {"optimizer": trial.suggest_categorical("optimizer", ["sgd", "adam"])}
                exponent = trial.suggest_float("exponent", -4, math.log10(0.3))
                values["learning_rate"] = 10**exponent
                if values["optimizer"] != "adam":
                    values["momentum"] = trial.suggest_float("momentum", 0.5, 0.99)
                return values
            """,
            "it asks for 'exponent', which is none of the exercise's parameters",
        ),
        Attempt(
            """
            def space(trial):
                values = {"optimizer": trial.suggest_categorical("optimizer", ["sgd", "adam"])}
                values["learning_rate"] = trial.suggest_loguniform("learning_rate", 1e-4, 0.3)
                if values["optimizer"] != "adam":
                    values["momentum"] = trial.suggest_uniform("momentum", 0.5, 0.99)
                return values
            """
        ),
    ],
    "7.4": [
        Attempt(
            """
            def beaten(one):
                better = (runs[metric] >= one[metric]) & (runs["seconds"] <= one["seconds"])
                return better.sum() > 1

            front = {run["name"] for _, run in runs.iterrows() if not beaten(run)}
            choice = runs[runs["seconds"] < 3].nlargest(1, metric)["name"].item()
            """,
            "another fast enough run of the front is more accurate",
        ),
        Attempt('choice = runs[runs["seconds"] <= 3].nlargest(1, metric)["name"].item()'),
    ],
    "7.5": [
        Attempt(
            """
            means = rank_points(follow_up, metric, points)
            best = ("adam", 0.003)
            too_good = 1
            """,
            "give it as (learning rate, optimizer)",
        ),
        Attempt(
            """
            best = (means["learning_rate"][1], means["optimizer"][1])
            winner = rank(sweep, metric).iloc[0]
            of_winner = follow_up[
                (follow_up["learning_rate"] == winner["learning_rate"])
                & (follow_up["optimizer"] == winner["optimizer"])
            ]
            mean = of_winner[metric].mean()
            too_good = 100 * (winner[metric] / mean - 1)
            """,
            "that is relative to its mean",
        ),
        Attempt("too_good = winner[metric] - mean"),
    ],
    "8.1": [
        Attempt(
            "mended = !sed 's/= config\\[/= run.config[/; s/, config\\[/, run.config[/' "
            "../own_program/faulty.py",
            "this isn't the text of a program",
        ),
        Attempt("mended = mended.n"),
    ],
    "8.2": [
        Attempt(
            """
            import yaml

            grouped = dotted | yaml.safe_load('''
            parameters:
              optimizer:
                learning_rate: {values: [0.1, 0.01]}
                momentum: {value: 0.9}
            ''')
            """,
            "'optimizer'",
        ),
        Attempt(
            """
            grouped = dotted | yaml.safe_load('''
            parameters:
              optimizer:
                parameters:
                  learning_rate: {values: [0.01, 0.1]}
                  momentum: {value: 0.9}
            ''')
            """
        ),
    ],
    "8.3": [
        Attempt(
            """
            command = '["${env}", python, "${program}", "${args_no_boolean_flags}"]'
            accepted = refused | {"command": yaml.safe_load(command)}
            """,
            "its agents pass ${args_no_boolean_flags}: which macro has no hyphens?",
        ),
        Attempt(
            """
            command = '["${env}", python, "${program}", "${args_no_hyphens}"]'
            accepted = refused | {"command": yaml.safe_load(command)}
            """
        ),
    ],
}

"""One client that logs rows with the library of its server: `peer_client.py KIND URL RUN ROWS`.

It prints how many seconds passed from the first row until the library had brought all of them to
the server.  It is run by the Python of the environment that has the library.
"""

import math
import sys
import time

METRICS_PER_REQUEST = 1000  # the most that MLflow's log_batch takes


def rows(number: int) -> list[dict[str, float]]:
    """Return what a training program logs."""
    return [
        {
            "Train Loss": 2.3 + math.sin(step),
            "Validation Loss": 2.4 + math.cos(step),
            "Validation Accuracy": 50 + 40 * math.sin(step / 7),
            "epoch": step // 10,
        }
        for step in range(number)
    ]


def log_to_wandb(url: str, name: str, logged: list[dict]) -> float:
    """Log by `run.log`; the client collects rows and posts them."""
    import wandb

    run = wandb.init(project="peers", id=name, settings=wandb.Settings(base_url=url))
    begin = time.monotonic()
    for row in logged:
        run.log(row)
    run.finish()
    return time.monotonic() - begin


def log_to_trackio(url: str, name: str, logged: list[dict]) -> float:
    """Log by `trackio.log`; the client collects rows and posts them twice a second."""
    import trackio

    trackio.init(project="peers", name=name, server_url=url, auto_log_gpu=False, embed=False)
    begin = time.monotonic()
    for row in logged:
        trackio.log(row)
    trackio.finish()
    return time.monotonic() - begin


def log_to_mlflow(url: str, name: str, logged: list[dict]) -> float:
    """Log by `log_batch`, MLflow's call for many metrics at once, as many as it takes."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    client = MlflowClient(tracking_uri=url)
    run = client.create_run(experiment_id="0", run_name=name).info.run_id
    begin, batch = time.monotonic(), []
    for step, row in enumerate(logged):
        now = int(1000 * time.time())
        batch += [Metric(key, value, now, step) for key, value in row.items()]
        if len(batch) + len(row) > METRICS_PER_REQUEST:
            client.log_batch(run, metrics=batch)
            batch = []
    client.log_batch(run, metrics=batch)
    client.set_terminated(run)
    return time.monotonic() - begin


if __name__ == "__main__":
    kind, url, name, number = sys.argv[1:]
    log = {"wandb": log_to_wandb, "mlflow": log_to_mlflow, "trackio": log_to_trackio}[kind]
    print("seconds", log(url, name, rows(int(number))))

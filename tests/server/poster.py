"""Runs that a test logs by itself, with the posts that the real client sends."""

import json

import httpx2

from tests.fixtures.server import RunningServer
from tests.waiting import patience

EVIL = (
    "<a href='https://e.example'>z</a><script>alert('x')</script>"
    "<img src=https://evil.example/x onerror=alert('y')> %{x} \""
)
SWEEP = {
    "method": "random",
    "run_cap": 8,
    "metric": {"name": "Validation Accuracy", "goal": "maximize"},
    "parameters": {
        "learning_rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 0.1},
        "optimizer": {"values": ["adam", "sgd"]},
        "num_epochs": {"value": 4},
    },
}


class Poster:
    """Logs what a test needs, with the posts that the real client sends."""

    def __init__(self, server: RunningServer):
        self.server = server
        self.http = httpx2.Client(
            base_url=server.url, auth=("api", server.key), timeout=patience(180)
        )

    def graphql(self, query: str, **variables) -> dict:
        reply = self.http.post("/graphql", json={"query": query, "variables": variables}).json()
        assert "errors" not in reply, reply
        return reply["data"]

    def sweep(self, project: str, config: dict) -> str:
        query = """mutation S($config: String!, $project: String!) {
          upsertSweep(input: {config: $config, projectName: $project}) { sweep { name } } }"""
        data = self.graphql(query, config=json.dumps(config), project=project)
        return data["upsertSweep"]["sweep"]["name"]

    def run(self, project: str, name: str, config: dict, **more) -> None:
        query = """mutation R($input: UpsertBucketInput!) {
          upsertBucket(input: $input) { inserted } }"""
        wrapped = {key: {"value": value} for key, value in config.items()}
        values = {"name": name, "modelName": project, "config": json.dumps(wrapped), **more}
        self.graphql(query, input=values)

    def post(self, project: str, name: str, rows: list[dict], offset: int = 0, **more) -> None:
        texts = [json.dumps(row) for row in rows]
        files = {
            "wandb-history.jsonl": {"offset": offset, "content": texts},
            "wandb-summary.json": {"offset": 0, "content": texts[-1:]},
        }
        body = {"files": files if rows else {}, **more}
        reply = self.http.post(f"/files/local/{project}/{name}/file_stream", json=body)
        assert reply.status_code == 200, reply.text

    def sweep_of_eight(self, project: str) -> str:
        """Log a sweep with six finished runs, a failed one and one that goes on."""
        sweep = self.sweep(project, SWEEP)
        for number in range(8):
            name = f"{project}-r{number}"
            config = {
                "learning_rate": 10 ** -(1 + number / 3),
                "optimizer": ["adam", "sgd"][number % 2],
                "num_epochs": 4,
            }
            self.run(project, name, config, sweep=sweep, displayName=f"trial-{number + 1}")
            rows = [
                {"_step": epoch, "Epoch": epoch, "Validation Accuracy": 10 * number + epoch}
                for epoch in (1, 2)
            ]
            end = {} if number == 7 else {"complete": True, "exitcode": int(number == 6)}
            self.post(project, name, rows, **end)
        return sweep

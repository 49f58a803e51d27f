"""The rest of the public API with the unmodified client, and the client's own acceptance test."""

import re
import sqlite3
import subprocess
from collections.abc import Iterator

import pytest

from tests.waiting import patience

LOGGING = """
import json, pathlib, sys, time, wandb
settings = wandb.Settings(x_label="node-1")
with wandb.init(project="api", config={"lr": 0.1, "model": {"depth": 3}}, tags=["a", "b"],
                group="g", job_type="train", notes="note", settings=settings) as run:
    run.define_metric("loss", summary="min")
    for i in range(20):
        row = {"loss": 1 / (i + 1), "nested": {"x": i}, "nan": float("nan")}
        run.log(row | ({"rare": i} if i % 5 == 0 else {}))
    run.alert("Attention", "The loss is low.", level="WARN")
    print("printed")
    print("wrong", file=sys.stderr)
    # The client uploads no metadata of a run that ends before it has written them.
    while not pathlib.Path(run.dir, "wandb-metadata.json").exists():
        time.sleep(0.01)
print(json.dumps(run.id))
"""

READING = """
import json, pathlib, sys, wandb

def refused(function, *arguments):
    try:
        return list(function(*arguments))
    except Exception as error:
        return str(error)

api = wandb.Api()
run = api.run(f"api/{sys.argv[1]}")
pathlib.Path("upload.txt").write_text("uploaded")
seen = {
    "complete rows": run.history(keys=["loss", "rare"], pandas=False),
    "sampled": [row["_step"] for row in run.history(samples=5, pandas=False)],
    "x axis": run.history(keys=["loss"], x_axis="nested.x", pandas=False)[1],
    "frame": sorted(run.history().columns),
    "system": run.history(stream="system", pandas=False),
    "scan": [row["_step"] for row in run.scan_history(min_step=5, max_step=9, page_size=2)],
    "scan keys": list(run.scan_history(keys=["_step", "rare"], min_step=5, max_step=11)),
    "beta scan": [row["_step"] for row in run.beta_scan_history(min_step=18)],
    "last step": run.lastHistoryStep,
    "summary": [run.summary["loss"]["min"], str(run.summary["nan"])],
    "facts": [run.group, run.job_type, run.notes, sorted(run.tags), run.user.username],
    "console": [[line.content, line.level, line.label] for line in run.console_logs()],
    "console tail": [line.content for line in run.console_logs(last=1)],
    "timestamps": all(line.timestamp for line in run.console_logs()),
    "html": run.to_html(),
    "uploaded": run.upload_file("upload.txt").size,
    "pattern": [file.name for file in run.files(pattern="wandb-%")],
    "named": [file.name for file in run.files(names=["upload.txt", "none"])],
    "counted": len(run.files()),
    "filtered": [
        len(api.runs("api", filters))
        for filters in (
            {"tags": {"$in": ["a"]}, "group": "g", "jobType": "train"},
            {"config.model.depth": {"$gte": 4}},
            {"$or": [{"summary_metrics.loss.min": {"$lt": 0.1}}, {"display_name": "none"}]},
        )
    ],
    "histories": len(api.runs("api", {"group": "g"}).histories(samples=3, keys=["loss"])),
    "made": [api.create_project("made", "local"), api.project("made").name],
    "projects": sorted(project.name for project in api.projects())[:2],
    "viewer": [api.viewer.username, api.viewer.entity, api.viewer.teams, api.default_entity],
    "users": [api.user("local").username, [user.username for user in api.users("local")]],
    "nobody": api.user("nobody"),
    "team": [api.team("local").name, [member.username for member in api.team("local").members]],
    "path": [str(api.from_path(f"local/api/{run.id}")), str(api.from_path("local/api"))],
    "jobs": api.list_jobs("local", "api"),
    "reports": refused(api.reports, "api"),
    "automations": refused(api.automations),
    "queue": refused(lambda: [api.run_queue("local", "queue").id]),
    "missing": refused(lambda: [api.project("missing").id]),
}
run.file("upload.txt").delete()
seen["deleted"] = "upload.txt" in [file.name for file in run.files()]
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def verifying(local_server, tmp_path_factory) -> Iterator[subprocess.Popen]:
    """The client's acceptance test, which goes on while others read.

    Its agent does nine runs, one every five seconds.
    """
    folder = tmp_path_factory.mktemp("verify")
    process = local_server.popen(
        "wandb", "verify", "--host", local_server.url, TMPDIR=str(folder), COLUMNS="200"
    )
    yield process
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def run_id(local_server, verifying) -> str:
    """The ID of a run that logged something of everything."""
    return local_server.python(LOGGING, WANDB_X_FILE_STREAM_NO_GZIP="false")


@pytest.fixture(scope="module")
def read(local_server, run_id) -> dict:
    """What the public API reads of it."""
    return local_server.python(READING, run_id)


def test_history_is_read_sampled_and_whole(read):
    assert [row["rare"] for row in read["complete rows"]] == [0, 5, 10, 15]
    assert read["sampled"] == [0, 4, 9, 14, 19]
    assert read["x axis"] == {"nested.x": 1, "loss": 0.5}
    assert {"loss", "nested", "rare", "_step"} <= set(read["frame"])
    assert read["system"] == []
    assert read["last step"] == 19
    assert read["histories"] == 3


def test_history_is_scanned_by_steps_and_keys(read):
    assert read["scan"] == [5, 6, 7, 8]
    assert read["scan keys"] == [{"_step": 5, "rare": 5}, {"_step": 10, "rare": 10}]
    assert read["beta scan"] == [18, 19]


def test_a_run_tells_what_it_is(read, local_server, run_id):
    assert read["summary"] == [0.05, "nan"]
    assert read["facts"] == ["g", "train", "note", ["a", "b"], "local"]
    assert f"{local_server.url}/local/api/runs/{run_id}?jupyter=true" in read["html"]
    assert run_id in read["path"][0]


def test_console_lines_have_level_and_label(read):
    assert read["console"] == [["printed", "info", "node-1"], ["wrong", "error", "node-1"]]
    assert read["console tail"] == ["wrong"]
    assert read["timestamps"]


def test_files_are_uploaded_listed_and_deleted(read):
    assert read["uploaded"] == len("uploaded")
    assert read["pattern"] == ["wandb-metadata.json", "wandb-summary.json"]
    assert read["named"] == ["upload.txt"]
    assert read["counted"] == 5
    assert read["deleted"] is False


def test_runs_are_filtered(read):
    assert read["filtered"] == [1, 0, 1]


def test_projects_and_users_are_read(read):
    assert read["made"] == [None, "made"]
    assert "api" in read["projects"]
    assert read["viewer"] == ["local", "local", [], "local"]
    assert read["users"] == ["local", ["local"]]
    assert read["nobody"] is None
    assert read["team"] == ["local", ["local"]]
    assert "missing not found" in read["missing"]
    assert read["jobs"] == []


@pytest.mark.parametrize("what", ["reports", "automations", "queue"])
def test_what_is_not_served_says_so(read, what):
    assert "is not served by the workshop's local W&B server" in read[what]


def test_alerts_are_kept(local_server, run_id):
    with sqlite3.connect(local_server.store / "store.sqlite") as database:
        rows = database.execute(
            "SELECT title, text, severity FROM alerts JOIN runs ON runs.id = run_id WHERE name = ?",
            [run_id],
        )
        assert rows.fetchall() == [("Attention", "The loss is low.", "WARN")]


def test_wandb_verify_is_green_but_for_https(verifying):
    output, _ = verifying.communicate(timeout=patience(180))
    checks = re.findall(r"^(\w[^.\n]*)\.{2,}(.)", output, re.MULTILINE)
    assert len(checks) == 10, output
    assert [check for check, mark in checks if mark != "✅"] == [
        "Checking requests to base url",
        "Checking requests made over signed URLs",
    ], output
    assert output.count("not made over https") == 2
    assert verifying.returncode == 0

"""Artifacts with the unmodified wandb client: logged, used, read, edited and deleted."""

import json
import re
import subprocess
import sys

import pytest

from tests.waiting import patience

LOGGING = """
import datetime, json, pathlib, sys, wandb

def text(name, content):
    path = pathlib.Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path

def artifact(name, *files, **options):
    made = wandb.Artifact(name, type="dataset", **options)
    for file in files:
        made.add_file(file, name=pathlib.Path(file).name)
    return made

def refused(function, *arguments):
    try:
        return function(*arguments)
    except Exception as error:
        return str(error)

for i in range(3):
    text(f"tree/deep/{i}.txt", "x" * i)
text("100% #1?.txt", "odd name")
seen = {}
with wandb.init(project="artifacts") as run:
    first = artifact("data", "100% #1?.txt", description="the first", metadata={"rows": 3})
    first.add_dir("tree")
    first.add_reference(pathlib.Path("tree/deep/2.txt").resolve().as_uri(), name="elsewhere.txt")
    run.log_artifact(first, aliases=["best"], tags=["blue"])
    first.wait()
    seen["first"] = [first.version, first.state, sorted(first.aliases), first.tags, first.size]
    run.log({"table": wandb.Table(columns=["a", "b"], data=[[1, "x"], [2, None]])})
    run.log({"page": wandb.Html("<b>bold</b>"), "image": wandb.Image("pixel.png")})
with wandb.init(project="artifacts") as user:
    used = user.use_artifact("data:latest")
    draft = used.new_draft()
    draft.add_file(text("new.txt", "new"))
    draft.remove("100% #1?.txt")
    user.log_artifact(draft).wait()
    seen["second"] = [draft.version, draft.aliases, sorted(draft.manifest.entries)]
    alone = user.log_artifact(artifact("data", "new.txt")).wait()
    again = user.log_artifact(artifact("data", "new.txt"), aliases=["again"]).wait()
    seen["same content"] = [alone.version, again.version, sorted(again.aliases)]
    more = artifact("data", text("more.txt", "more"), incremental=True)
    user.log_artifact(more).wait()
    seen["incremental"] = [more.version, sorted(more.manifest.entries)]
    pointing = artifact("pointing")
    pointing.add_reference(used.get_entry("deep/2.txt"), name="theirs.txt")
    user.log_artifact(pointing).wait()
    wrong = wandb.Artifact("data", type="model")
    seen["wrong type"] = refused(user.log_artifact, wrong)
    seen["link"] = refused(user.link_artifact, again, "elsewhere")
print(json.dumps(seen | {"runs": [run.id, user.id]}))
"""

READING = """
import json, pathlib, sys, wandb
api = wandb.Api()
logging, using = sys.argv[1:]
first = api.artifact("artifacts/data:best")
root = pathlib.Path(first.download("down"))
first.verify("down")
run = api.run(f"artifacts/{logging}")
table = api.artifact(f"artifacts/run-{logging}-table:latest").get("table")
print(json.dumps({
    "downloaded": {str(path.relative_to(root)): path.read_text() for path in root.rglob("*.txt")},
    "one file": first.get_entry("deep/1.txt").download(root="one", skip_cache=True)[-10:],
    "files": [[file.name, file.size] for file in first.files()],
    "some files": [file.name for file in first.files(names=["deep/1.txt"])],
    "count": [len(first.files()), first.file_count],
    "facts": [first.description, first.metadata, first.tags, first.ttl, first.type, first.digest],
    "logged by": first.logged_by().id,
    "used by": [run.id for run in first.used_by()],
    "logged": [artifact.name for artifact in run.logged_artifacts()],
    "used": [artifact.name for artifact in api.run(f"artifacts/{using}").used_artifacts()],
    "table": [table.columns, table.data],
    "image": run.file(run.summary["image"]["path"]).size,
    "html": run.file(run.summary["page"]["path"]).download("pages", replace=True).read(),
    "pointing": pathlib.Path(api.artifact("artifacts/pointing:v0").download("there")).joinpath(
        "theirs.txt").read_text(),
    "types": [kind.name for kind in api.artifact_types("artifacts")],
    "collections": [c.name for c in api.artifact_type("dataset", "artifacts").collections()],
    "filtered": [c.name for c in api.project("artifacts").collections(
        filters={"name": {"$regex": "^d"}})],
    "sorted": [c.name for c in api.project("artifacts").collections(order="+name")][:2],
    "versions": [artifact.version for artifact in api.artifacts("dataset", "artifacts/data")],
    "tagged": [found.version for found in api.artifacts("dataset", "artifacts/data", tags="blue")],
    "exists": [api.artifact_exists("artifacts/data:v0"), api.artifact_exists("artifacts/data:v9")],
    "collection exists": [
        api.artifact_collection_exists("artifacts/data", "dataset"),
        api.artifact_collection_exists("artifacts/none", "dataset"),
    ],
    "digest": first.manifest.digest(),
    "commits": [found.commit_hash for found in api.artifacts("dataset", "artifacts/data")],
}))
"""

EDITING = """
import datetime, json, pathlib, wandb

def refused(function, *arguments, **options):
    try:
        return function(*arguments, **options)
    except Exception as error:
        return str(error)

api = wandb.Api()
pathlib.Path("edited.txt").write_text("edited")
with wandb.init(project="edits") as run:
    for i in range(3):
        artifact = wandb.Artifact("data", type="dataset", metadata={"i": i})
        artifact.add_file("edited.txt")
        if i:
            artifact.add_file("edited.txt", name=f"{i}.txt")
        run.log_artifact(artifact, aliases=["first"] if i == 0 else None).wait()
seen = {}
artifact = api.artifact("edits/data:v0")
artifact.description = "described"
artifact.metadata["more"] = 1
artifact.aliases += ["prod"]
artifact.aliases.remove("first")
artifact.tags = ["red", "blue"]
artifact.ttl = datetime.timedelta(days=2)
artifact.save()
artifact.tags.remove("red")
artifact.save()
found = wandb.Api().artifact("edits/data:prod")
seen["edited"] = [
    found.version, found.description, found.metadata, found.aliases, found.tags, found.ttl.days,
]
seen["alias gone"] = refused(api.artifact, "edits/data:first")
seen["delete refused"] = refused(found.delete)
api.artifact("edits/data:latest").delete(delete_aliases=True)
seen["latest after delete"] = wandb.Api().artifact("edits/data:latest").version
with wandb.init(project="edits") as run:
    artifact = wandb.Artifact("data", type="dataset")
    artifact.add_file("edited.txt", name="other.txt")
    seen["next version"] = run.log_artifact(artifact).wait().version
collection = wandb.Api().artifact_collection("dataset", "edits/data")
collection.name, collection.type, collection.description = "renamed", "kind", "all"
collection.tags = ["t", "u"]
collection.save()
collection.tags = ["t"]
collection.save()
found = wandb.Api().artifact_collection("kind", "edits/renamed")
seen["collection"] = [found.name, found.description, sorted(found.tags), sorted(found.aliases)]
late = wandb.Artifact("late", type="dataset")
late.add_file("edited.txt")
late.save(project="edits")
late.wait()
seen["logged later"] = wandb.Api().run(f"edits/{run.id}").log_artifact(late).name
wandb.Api().run(f"edits/{late.logged_by().id}").delete(delete_artifacts=True)
seen["deleted with its run"] = wandb.Api().artifact_exists("edits/late:v0")
found.delete()
seen["after all"] = [c.name for c in wandb.Api().project("edits").collections()]
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def editing(local_server) -> subprocess.Popen:
    """A process that edits and deletes artifacts, while others log and read."""
    return local_server.popen(sys.executable, "-c", EDITING)


@pytest.fixture(scope="module")
def logged(local_server, editing) -> dict:
    """What the client says while it logs artifacts."""
    pixel = bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
        "1f15c4890000000d49444154789c636060606000000005000166a2d4"
        "c40000000049454e44ae426082"
    )
    (local_server.home / "pixel.png").write_bytes(pixel)
    return local_server.python(LOGGING)


@pytest.fixture(scope="module")
def read(local_server, logged) -> dict:
    """What another process reads."""
    return local_server.python(READING, *logged["runs"], WANDB_CACHE_DIR="fresh-cache")


@pytest.fixture(scope="module")
def edited(editing) -> dict:
    """What the client says while it edits and deletes artifacts."""
    output, _ = editing.communicate(timeout=patience(180))
    assert editing.returncode == 0, output
    return json.loads(output.splitlines()[-1])


def test_an_artifact_is_logged_with_aliases_and_tags(logged):
    assert logged["first"] == ["v0", "COMMITTED", ["best", "latest"], ["blue"], 13]


def test_the_next_version_takes_over_what_is_not_changed(logged):
    assert logged["second"] == [
        "v1", ["latest"], ["deep/0.txt", "deep/1.txt", "deep/2.txt", "elsewhere.txt", "new.txt"]
    ]  # fmt: skip
    assert logged["incremental"] == ["v3", ["more.txt", "new.txt"]]


def test_the_same_content_is_the_same_version(logged):
    assert logged["same content"] == ["v2", "v2", ["again", "latest"]]


def test_what_cannot_be_logged_is_told(logged):
    assert "already exists with type 'dataset'" in logged["wrong type"]
    assert "LinkArtifact is not served by the workshop's local W&B server" in logged["link"]


def test_files_come_back_as_they_were(read):
    texts = {"deep/0.txt": "", "deep/1.txt": "x", "deep/2.txt": "xx", "100% #1?.txt": "odd name"}
    assert read["downloaded"] == texts | {"elsewhere.txt": "xx"}
    assert read["one file"] == "deep/1.txt"
    assert read["pointing"] == "xx"
    sizes = {name: len(text) for name, text in texts.items()} | {"elsewhere.txt": 2}
    assert dict(read["files"]) == sizes
    assert read["some files"] == ["deep/1.txt"]
    assert read["count"] == [5, 5]


def test_an_artifact_tells_what_it_is_and_where_it_comes_from(read, logged):
    description, metadata, tags, ttl, kind, digest = read["facts"]
    assert (description, metadata, tags) == ("the first", {"rows": 3}, ["blue"])
    assert (ttl, kind, digest) == (None, "dataset", read["digest"])
    assert [read["logged by"], *read["used by"]] == logged["runs"]
    assert len(set(read["commits"])) == 4
    assert all(re.fullmatch("[0-9a-f]{20}", commit) for commit in read["commits"])
    assert read["logged"] == ["data:v0", f"run-{logged['runs'][0]}-table:v0"]
    assert read["used"] == ["data:v0"]


def test_media_come_back(read):
    assert read["table"] == [["a", "b"], [[1, "x"], [2, None]]]
    assert read["image"] > 0
    assert "<b>bold</b>" in read["html"]


def test_artifacts_are_listed_filtered_and_sorted(read):
    assert read["types"] == ["dataset", "run_table"]
    assert read["collections"] == ["pointing", "data"]
    assert read["filtered"] == ["data"]
    assert read["sorted"] == ["data", "pointing"]
    assert read["versions"] == ["v3", "v2", "v1", "v0"]
    assert read["tagged"] == ["v0"]
    assert read["exists"] == [True, False]
    assert read["collection exists"] == [True, False]


def test_a_version_is_edited(edited):
    metadata = {"i": 0, "more": 1}
    assert edited["edited"] == ["v0", "described", metadata, ["prod"], ["blue"], 2]
    assert "not found" in edited["alias gone"]


def test_a_version_is_deleted_and_its_number_not_given_again(edited):
    assert "alias 'prod'" in edited["delete refused"]
    assert edited["latest after delete"] == "v1"
    assert edited["next version"] == "v3"


def test_a_collection_is_edited_and_deleted(edited):
    assert edited["collection"] == ["renamed", "all", ["t"], ["latest", "prod"]]
    assert "renamed" not in edited["after all"]


def test_a_run_logs_later_and_is_deleted_with_its_artifacts(edited):
    assert edited["logged later"] == "late:v0"
    assert edited["deleted with its run"] is False


def test_the_command_line_puts_lists_and_gets_artifacts(local_server):
    (local_server.home / "model.bin").write_bytes(b"\x00" * 5000)
    put = ("put", "--name", "local/cli-artifacts/model", "--type", "model", "-a", "best")
    for command in (
        (*put, "model.bin"),
        ("get", "local/cli-artifacts/model:best", "--root", "got"),
    ):
        status, output = local_server.run("wandb", "artifact", *command)
        assert status == 0, output
    assert (local_server.home / "got" / "model.bin").read_bytes() == b"\x00" * 5000
    status, output = local_server.run("wandb", "artifact", "ls", "local/cli-artifacts")
    assert "model:v0" in output
    assert status == 0


MANY = """
import json, os, pathlib, shutil, wandb
os.mkdir("many")
for i in range(400):
    pathlib.Path(f"many/{i}.txt").write_text(str(i % 200))
pathlib.Path("big.bin").write_bytes(os.urandom(20 * 2**20))
with wandb.init(project="many") as run:
    artifact = wandb.Artifact("many", type="dataset")
    artifact.add_dir("many")
    artifact.add_file("big.bin", skip_cache=True)
    run.log_artifact(artifact).wait()
os.environ["WANDB_ARTIFACT_FETCH_FILE_URL_BATCH_SIZE"] = "150"
found = wandb.Api().artifact("many/many:latest")
root = found.download("many-down", multipart=True, skip_cache=True)
found.verify(root)
print(json.dumps([found.file_count, len(os.listdir(root))]))
"""


def test_many_files_and_large_ones_come_back_and_each_content_is_kept_once(start_server):
    server = start_server()
    assert server.python(MANY) == [401, 401]
    kept = [path for path in (server.store / "artifacts").rglob("*") if path.is_file()]
    assert len(kept) == 202  # 200 texts, the large file, the manifest

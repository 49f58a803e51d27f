"""What the pages of artifacts, and of their projects and runs, tell about them."""

import json
import re

import pytest

from tests.server.uploader import Uploader

USE = "mutation U($input: UseArtifactInput!) { useArtifact(input: $input) { artifact { id } } }"
RUN = "mutation R($input: UpsertBucketInput!) { upsertBucket(input: $input) { bucket { id } } }"


@pytest.fixture
def uploader(client, graphql) -> Uploader:
    return Uploader(client, graphql)


@pytest.fixture
def used(uploader, graphql) -> Uploader:
    """Two versions of `data`, of which a run of another project uses the first."""
    first = uploader.log(
        {"train.csv": b"x" * 2000, "sub/test.csv": b"y"}, description="the digits",
        metadata=json.dumps({"rows": {"train": 7}}), tags=[{"tagName": "blue"}],
        aliases=[{"alias": "best"}],
    )  # fmt: skip
    uploader.log({"train.csv": b"z"})
    values = {"name": "user", "modelName": "q", "displayName": "the user"}
    graphql(RUN, input=values)
    place = {"entityName": "local", "projectName": "q", "runName": "user"}
    graphql(USE, input={"artifactID": first, **place})
    return uploader


def table(page: str, name: str) -> list[list[str]]:
    """Return the texts of a table's cells, a list a row."""
    body = page.split(f'<table id="{name}"')[1].split("<tbody>")[1].split("</tbody>")[0]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S) for row in body.split("</tr>")]
    texts = [[re.sub("<[^>]+>", "", cell).strip() for cell in row] for row in rows]
    return [row for row in texts if row]


def test_a_project_lists_its_artifacts(client, used):
    used.create(name="arriving")
    for address in ("/local/p", "/local/p/artifacts", "/local/p/jobs"):
        arriving, data = table(client.get(address).text, "artifacts")
        assert arriving[:5] == ["arriving", "dataset", "0", "—", "—"]
        assert data[:5] == ["data", "dataset", "2", "v1", "1 B"]
    assert "No artifacts yet" in client.get("/local/q").text


def test_an_artifact_lists_its_versions(client, used):
    used.create("still arriving")
    page = client.get("/local/p/artifacts/dataset/data").text
    versions = [row[:4] + row[5:6] for row in table(page, "versions")]
    assert versions == [["v1", "latest", "1 B", "1", "0"], ["v0", "best", "2 kB", "2", "1"]]
    assert 'local/p/runs/r">' in page


@pytest.mark.parametrize("name", ["v0", "best"])
def test_a_version_tells_what_it_is_and_who_made_and_used_it(client, used, name):
    page = client.get(f"/local/p/artifacts/dataset/data/{name}").text
    for words in (
        "the digits", "<dd>best</dd>", "<dd>blue</dd>", "<dd>2 kB</dd>", "rows.train",
        'run.use_artifact("local/p/data:v0")',
    ):  # fmt: skip
        assert words in page
    made, using = table(page, "runs")
    assert made[1:4] == ["logged it", "running", "local/p"]
    assert using[:4] == ["the user", "used it", "running", "local/q"]
    assert table(page, "files") == [["sub/test.csv", "1 B"], ["train.csv", "2 kB"]]
    (link,) = re.findall(r'href="([^"]*train\.csv)"', page)
    base = client.base_url.join(f"/local/p/artifacts/dataset/data/{name}")
    assert client.get(str(base.join(link))).text == "x" * 2000


def test_a_run_lists_what_it_logged_and_used(client, used):
    logged = table(client.get("/local/p/runs/r").text, "artifacts")
    assert [row[:4] for row in logged] == [
        ["data:v0", "logged it", "dataset", "best"],
        ["data:v1", "logged it", "dataset", "latest"],
    ]
    (row,) = table(client.get("/local/q/runs/user").text, "artifacts")
    assert row[:2] == ["local/p/data:v0", "used it"]


def test_a_version_stays_when_its_run_is_deleted(client, used, graphql):
    run = graphql(RUN, input={"name": "r", "modelName": "p"})["upsertBucket"]["bucket"]["id"]
    graphql("mutation D($id: ID!) { deleteRun(input: {id: $id}) { clientMutationId } }", id=run)
    rows = table(client.get("/local/p/artifacts/dataset/data").text, "versions")
    assert [row[4] for row in rows] == ["local", "local"]
    assert (
        "No existing run logged or used this version"
        in client.get("/local/p/artifacts/dataset/data/v1").text
    )


def test_files_that_lie_elsewhere_are_named_and_no_links(client, uploader):
    artifact = uploader.create()["id"]
    entry = {"digest": "etag", "ref": "javascript:alert(1)", "size": 3}
    manifest = json.dumps({"version": 1, "contents": {"far.txt": entry}}).encode()
    client.put(uploader.manifest(artifact, manifest), content=manifest)
    uploader.commit(artifact)
    page = client.get("/local/p/artifacts/dataset/data/v0").text
    assert table(page, "files") == [["far.txt", "3 B", "javascript:alert(1)"]]
    assert 'href="javascript' not in page


def test_long_lists_come_in_parts(client, uploader, store):
    uploader.log({f"{number:03}": b"x" for number in range(230)})
    with store.writing():
        store.execute_many(
            "INSERT INTO collections (project_id, type, name, created_at, updated_at) "
            "VALUES (1, 'dataset', ?, 0, ?)",
            [(f"c{number}", number) for number in range(250)],
        )
        store.execute_many(
            "INSERT INTO artifacts (collection_id, user, version, digest, created_at, updated_at) "
            "VALUES (1, 'local', ?, 'd', 0, 0)",
            [(number,) for number in range(1, 220)],
        )
    assert "The 200 most recently updated." in (page := client.get("/local/p").text)
    assert len(table(page, "artifacts")) == 200
    artifacts = "/local/p/artifacts"
    for address, name, words, last in (
        (artifacts, "artifacts", "Artifacts 201 to 251 of 251", "c0"),
        (f"{artifacts}/dataset/data", "versions", "Versions 201 to 220 of 220", "v0"),
        (f"{artifacts}/dataset/data/v0", "files", "Files 201 to 230 of 230", "229"),
    ):
        page = client.get(f"{address}?page=2").text
        assert words in page
        assert table(page, name)[-1][0] == last


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("artifacts/dataset/nothing", "There is no artifact nothing of the type dataset"),
        ("artifacts/model/data", "There is no artifact data of the type model"),
        ("artifacts/dataset/data/v7", "The artifact data has no version v7"),
        ("artifacts/dataset/data/worst", "The artifact data has no version worst"),
        ("groups/nobody", "There is no run of the group nobody in the project p"),
    ],
)
def test_what_is_not_there_is_said(client, used, address, words):
    page = client.get(f"/local/p/{address}", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert words in page.text


def test_a_group_lists_its_runs(client, graphql):
    for name, group in (("a", "g"), ("b", "g"), ("c", "h")):
        graphql(RUN, input={"name": name, "modelName": "p", "groupName": group})
    assert len(table(client.get("/local/p/groups/g").text, "runs")) == 2
    assert 'groups/h">h</a>' in client.get("/local/p/runs/c").text

import hashlib

import pytest

from sweepserver.store.files import clean_name

CREATE = """
mutation CreateRunFiles($files: [String!]!) {
  createRunFiles(input: {projectName: "p", runName: "r", files: $files}) {
    runID uploadHeaders files { name uploadUrl } } }"""
LIST = """
query RunFiles($names: [String], $pattern: String) { project(name: "p") { run(name: "r") {
  fileCount
  files(names: $names, pattern: $pattern) {
    edges { node { id name url directUrl sizeBytes mimetype md5 } } } } } }"""


@pytest.fixture(autouse=True)
def _run(graphql):
    graphql('mutation R { upsertBucket(input: {name: "r", modelName: "p"}) { inserted } }')


def upload_url(graphql, name: str) -> str:
    return graphql(CREATE, files=[name])["createRunFiles"]["files"][0]["uploadUrl"]


def listed(graphql, **variables) -> list[dict]:
    files = graphql(LIST, **variables)["project"]["run"]["files"]
    return [edge["node"] for edge in files["edges"]]


@pytest.mark.parametrize(
    "name", ["a.txt", "media/images/x y.png", "100% #1?.txt", "ü/ñ.json", "a:b"]
)
def test_a_file_comes_back_as_it_was_sent(client, graphql, name):
    url = upload_url(graphql, name)
    client.auth = None
    assert client.put(url, content=b"\x00content").status_code == 200
    client.auth = ("api", "local-" + "0123456789" * 4)
    (file,) = listed(graphql)
    assert (file["name"], file["sizeBytes"]) == (name, 8)
    assert client.get(file["directUrl"]).content == b"\x00content"


def test_a_later_upload_replaces_the_file(client, graphql):
    for content in (b"long content", b"short"):
        client.put(upload_url(graphql, "./x"), content=content)
    (file,) = listed(graphql)
    assert (file["name"], file["sizeBytes"]) == ("x", 5)
    assert client.get(file["url"]).content == b"short"


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", "", ".", "x" * 2000])
def test_names_that_are_none_are_refused(client, graphql, name):
    body = {"query": CREATE, "variables": {"files": [name]}}
    reply = client.post("/graphql", json=body)
    assert reply.status_code == 400
    assert "can't be the name of a run's file" in reply.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "name", ["a\nb", "\x1b[2J", "a\x00", "a\x7f", "a\x9b", "a\u202eb", "a\u2028b"]
)
def test_names_with_control_characters_are_refused(client, name):
    body = {"query": CREATE, "variables": {"files": [name]}}
    reply = client.post("/graphql", json=body)
    assert reply.status_code == 400
    assert "it has control characters" in reply.json()["errors"][0]["message"]


def test_an_upload_address_is_good_for_one_file_alone(client, graphql, store):
    url = upload_url(graphql, "a.txt")
    for wrong in (url.replace("a.txt", "b.txt"), url.replace("uploads/1", "uploads/2")):
        assert client.put(wrong, content=b"x").status_code == 403
    assert list((store.folder / "files").iterdir()) == []


def test_no_file_lies_outside_the_folder_of_its_run(client, graphql, store):
    client.put(upload_url(graphql, "deep/er/x"), content=b"x")
    (folder,) = (store.folder / "files").iterdir()
    (path,) = folder.iterdir()
    assert path.name == hashlib.sha256(b"deep/er/x").hexdigest()


def test_files_are_found_by_name_and_by_pattern(client, graphql):
    for name in ("a.txt", "b.txt", "c_d.json"):
        client.put(upload_url(graphql, name), content=b"x")
    assert [file["name"] for file in listed(graphql, names=["./b.txt", "no"])] == ["b.txt"]
    assert [file["name"] for file in listed(graphql, pattern="%.txt")] == ["a.txt", "b.txt"]
    assert [file["name"] for file in listed(graphql, pattern="c_d.json")] == ["c_d.json"]
    assert [file["name"] for file in listed(graphql, pattern="_.txt")] == ["a.txt", "b.txt"]


def test_a_deleted_file_is_gone(client, graphql, store):
    client.put(upload_url(graphql, "a.txt"), content=b"x")
    (file,) = listed(graphql)
    delete = "mutation D($ids: [ID!]!) { deleteFiles(input: {files: $ids}) { success } }"
    graphql(delete, ids=[file["id"]])
    assert listed(graphql) == []
    assert client.get(file["url"]).status_code == 404
    assert not [path for path in (store.folder / "files").rglob("*") if path.is_file()]


def test_a_deletion_that_fails_deletes_nothing(client, graphql):
    client.put(upload_url(graphql, "a.txt"), content=b"x")
    (file,) = listed(graphql)
    query = "mutation D($ids: [ID!]!) { deleteFiles(input: {files: $ids}) { success } }"
    body = {"query": query, "variables": {"ids": [file["id"], "File:99"]}}
    assert client.post("/graphql", json=body).status_code == 404
    assert client.get(listed(graphql)[0]["url"]).content == b"x"


def test_a_file_needs_a_key_and_runs_nothing_in_a_browser(client, graphql):
    client.put(upload_url(graphql, "x.html"), content=b"<script>alert(1)</script>")
    client.put(upload_url(graphql, "x.svg"), content=b"<svg/>")
    html, svg = listed(graphql)
    reply = client.get(html["url"])
    assert reply.headers["content-type"].startswith("text/plain")
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert client.get(svg["url"]).headers["content-disposition"].startswith("attachment")
    client.auth = None
    assert client.get(html["url"]).status_code == 401


def test_an_upload_for_a_deleted_run_is_refused(client, graphql):
    url = upload_url(graphql, "a.txt")
    client.post("/files/local/p/r/file_stream", json={"complete": True, "exitcode": 0})
    run = graphql('{ project(name: "p") { run(name: "r") { id } } }')["project"]["run"]["id"]
    delete = "mutation D($id: ID!) { deleteRun(input: {id: $id}) { clientMutationId } }"
    graphql(delete, id=run)
    assert client.put(url, content=b"x").status_code == 404


def test_names_are_normalized():
    assert clean_name("./a//b/./c") == "a/b/c"

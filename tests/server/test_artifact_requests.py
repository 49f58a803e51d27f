"""What the wandb client never does, or only after a lost reply: the requests behind artifacts."""

import hashlib
import json
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from sweepserver.store.blobs import Blobs
from sweepserver.store.manifests import merge, read
from tests.server.uploader import COMMIT, CREATE, DELETE, FILES, Uploader, md5


@pytest.fixture
def uploader(client, graphql) -> Uploader:
    return Uploader(client, graphql)


def kept(store) -> set[str]:
    """Return the names of all kept bytes."""
    return {path.name for path in (store.folder / "artifacts").rglob("*") if path.is_file()}


def test_repeated_requests_change_nothing(uploader, store):
    ids = set()
    for _ in range(2):
        artifact = uploader.create(clientID="mine")
        ids.add(artifact["id"])
        assert (artifact["state"], len(ids)) == ("PENDING", 1)
        uploader.bring(artifact["id"], {"a": b"one", "b": b"two"})
    versions = [uploader.commit(artifact["id"])["versionIndex"] for _ in range(2)]
    assert versions == [0, 0]
    assert uploader.create(clientID="mine")["state"] == "COMMITTED"
    assert set(uploader.listed()) == {"a", "b"}
    assert len(kept(store)) == 3


def test_an_artifact_is_no_version_before_everything_has_arrived(uploader):
    artifact = uploader.create()["id"]
    assert uploader.listed() == {}
    assert uploader.refusal(COMMIT, id=artifact) == "The manifest of the artifact has not arrived."
    manifest = json.dumps({"contents": {"a": {"digest": md5(b"a"), "size": 1}}}).encode()
    url = uploader.manifest(artifact, manifest)
    assert uploader.refusal(COMMIT, id=artifact) == "The manifest of the artifact has not arrived."
    uploader.client.put(url, content=manifest)
    assert uploader.refusal(COMMIT, id=artifact) == "The file a of the artifact has not arrived."
    (url,) = uploader.urls(artifact, b"a")
    uploader.client.put(url, content=b"a")
    assert uploader.commit(artifact)["versionIndex"] == 0


def test_bytes_that_are_not_those_announced_are_refused(uploader, store):
    artifact = uploader.create()["id"]
    (url,) = uploader.urls(artifact, b"announced")
    for content in (b"announce", b"", b"another"):
        reply = uploader.client.put(url, content=content)
        assert reply.status_code == 400
        assert "do not have the MD5" in reply.json()["errors"][0]["message"]
    assert kept(store) == set()
    assert list((store.folder / "files").iterdir()) == []


def test_an_address_is_good_for_its_bytes_alone_and_needs_no_key(uploader):
    uploader.log({"a": b"mine", "b": b"other"})
    url, other = uploader.listed().values()
    uploader.client.auth = None
    assert uploader.client.get(url).content == b"mine"
    token = url.rsplit("/", 1)[1]
    for wrong in (url[:-1] + "0g", url.replace(token, other.rsplit("/", 1)[1])):
        assert uploader.client.get(wrong).status_code == 403
        assert uploader.client.put(wrong, content=b"mine").status_code == 403


def test_bytes_are_never_shown_as_what_a_browser_runs(uploader):
    uploader.log({"x.html": b"<script>alert(1)</script>"})
    reply = uploader.client.get(uploader.listed()["x.html"])
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["content-disposition"].startswith("attachment")
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-security-policy"] == "sandbox"


def test_a_part_of_a_large_file_can_be_fetched(uploader):
    uploader.log({"a": b"0123456789"})
    reply = uploader.client.get(uploader.listed()["a"], headers={"Range": "bytes=3-5"})
    assert (reply.status_code, reply.content) == (206, b"345")


def test_the_clients_own_address_of_a_file_needs_the_key_and_leads_nowhere_else(uploader):
    uploader.log({"a": b"mine"})
    name = hashlib.md5(b"mine", usedforsecurity=False).hexdigest()
    url = f"/artifactsV2/default/local/p/data/QXJ0aWZhY3Q6MQ%3D%3D/{name}/a"
    assert uploader.client.get(url).content == b"mine"
    for wrong in ("", "x", f"{'0' * 32}/a", "%2E%2E/%2E%2E/store.sqlite/a", "..%2fstore.sqlite/a"):
        assert uploader.client.get(f"/artifactsV2/{wrong}").status_code == 404
    uploader.client.auth = None
    assert uploader.client.get(url).status_code == 401


def test_bytes_go_with_the_last_artifact_that_needs_them(uploader, store):
    first = uploader.log({"a": b"shared", "b": b"only first"})
    second = uploader.log({"a": b"shared"})
    both = kept(store)
    uploader.graphql(DELETE, id=first)
    assert len(both - kept(store)) == 2  # its own file, its manifest
    assert uploader.client.get(uploader.listed()["a"]).content == b"shared"
    uploader.graphql(DELETE, id=second)
    assert kept(store) == set()
    assert uploader.listed() == {}


def test_bytes_for_a_deleted_artifact_are_refused(uploader, store):
    artifact = uploader.create()["id"]
    (url,) = uploader.urls(artifact, b"late")
    uploader.graphql(DELETE, id=artifact)
    assert uploader.client.put(url, content=b"late").status_code == 404
    assert kept(store) == set()


def test_what_never_arrived_wholly_is_forgotten_after_a_week(uploader, store):
    version = uploader.log({"a": b"kept"})
    old, young = (uploader.create(digest=digest)["id"] for digest in ("old", "young"))
    for artifact, content in ((old, b"kept"), (old, b"old"), (young, b"young")):
        for url in filter(None, uploader.urls(artifact, content)):
            uploader.client.put(url, content=content)
    with store.writing():
        store.execute("UPDATE artifacts SET created_at = created_at - 8 * 86400 WHERE id < 3")
    before = kept(store)
    Blobs(store)
    assert before - kept(store) == {hashlib.md5(b"old", usedforsecurity=False).hexdigest()}
    assert uploader.commit(version)["versionIndex"] == 0
    assert "There is no artifact" in uploader.refusal(COMMIT, id=old)
    assert "has not arrived" in uploader.refusal(COMMIT, id=young)


def test_runs_that_log_together_make_one_version(uploader):
    ids = {uploader.create(clientID=run, distributedID="all")["id"] for run in ("one", "two")}
    (artifact,) = ids
    for run in ("one", "two"):
        uploader.bring(artifact, {f"{run}.txt": run.encode()}, run=run, kind="PATCH")
    facts = uploader.commit(artifact)
    assert (facts["versionIndex"], facts["fileCount"], facts["size"]) == (0, 2, 6)
    urls = uploader.listed()
    assert {name: uploader.client.get(url).content for name, url in urls.items()} == {
        "one.txt": b"one", "two.txt": b"two",
    }  # fmt: skip


def test_many_files_keep_others_from_writing_for_a_moment_at_a_time(uploader, store, monkeypatch):
    """The writer's lock is held for a small part of the time that 20,000 files take."""
    held, write = [], store.writing

    @contextmanager
    def writing(*arguments):
        with write(*arguments):
            begin = time.monotonic()
            yield
            held.append(time.monotonic() - begin)

    def longest(work) -> float:
        """Return the longest time that the lock is held while something is done, as a share."""
        held.clear()
        begin = time.monotonic()
        work()
        return max(held) / (time.monotonic() - begin)

    monkeypatch.setattr(store, "writing", writing)
    artifact = uploader.create()["id"]
    contents = [b"%d" % i for i in range(20_000)]
    for some in (contents[:10_000], contents[10_000:]):  # as many as the client asks for at once
        assert longest(lambda some=some: uploader.urls(artifact, *some)) < 0.3
    with write():
        rows = [(hashlib.md5(c, usedforsecurity=False).hexdigest(), len(c)) for c in contents]
        store.execute_many("INSERT INTO blobs (md5, size) VALUES (?, ?)", rows)
    uploader.bring(artifact, {f"{i}.txt": content for i, content in enumerate(contents)})
    assert longest(lambda: uploader.commit(artifact)) < 0.3
    assert len(uploader.listed()) == 20_000


def test_a_version_cannot_be_changed_any_more(uploader):
    artifact = uploader.log({"a": b"a"})
    spec = {"artifactID": artifact, "name": "b", "md5": md5(b"b")}
    assert "log a new version" in uploader.refusal(FILES, input={"artifactFiles": [spec]})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"artifactTypeName": "model"}, "has the type 'dataset', not 'model'"),
        ({"runName": "none"}, "There is no run local/p/'none'"),
        ({"artifactCollectionName": "a/b"}, "cannot be an artifact's name"),
        ({"artifactCollectionName": None}, "must have a name"),
        ({"aliases": [{"alias": "v3"}]}, "v3 cannot be an alias of an artifact"),
        ({"aliases": [{"alias": "a:b"}]}, "cannot be an alias of an artifact"),
        ({"metadata": "[]"}, "An artifact's metadata must be a JSON object"),
    ],
)
def test_what_cannot_be_an_artifact_is_refused(uploader, changes, expected):
    uploader.create()
    values = {
        "entityName": "local", "projectName": "p", "digest": "d", "artifactTypeName": "dataset",
        "artifactCollectionName": "data", **changes,
    }  # fmt: skip
    assert expected in uploader.refusal(CREATE, input=values)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"contents": []}',
        b'{"contents": {"a": 1}}',
        b'{"contents": {"a": {"digest": "x"}}}',
        b'{"contents": {"a": {"digest": "rL0Y20zC+Fzt72VPzMSk2A==", "size": "1"}}}',
        b'{"contents": {"a": {"digest": "../../store.sqlite", "size": 1}}}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_what_is_no_manifest_is_refused(uploader, content):
    artifact = uploader.create()["id"]
    url = uploader.manifest(artifact, content)
    uploader.client.put(url, content=content)
    assert "manifest" in uploader.refusal(COMMIT, id=artifact) or "MD5" in uploader.refusal(
        COMMIT, id=artifact
    )


@pytest.mark.parametrize("digest", ["", "x", "rL0Y20zC+Fzt72VPzMSk2A", "ü" * 24, "../" * 8])
def test_a_digest_that_is_none_is_refused(uploader, digest):
    spec = {"artifactID": uploader.create()["id"], "name": "a", "md5": digest}
    assert "isn't an MD5 checksum in base64" in uploader.refusal(
        FILES, input={"artifactFiles": [spec]}
    )


def test_manifests_are_merged_later_ones_over_earlier(tmp_path: Path):
    paths = [tmp_path / "one", tmp_path / "two"]
    for i, path in enumerate(paths):
        entry = {"digest": f"reference {i}", "ref": "s3://bucket/key", "size": i}
        path.write_text(json.dumps({"version": 1, "contents": {str(i): entry, "same": entry}}))
    merged = merge([read(path) for path in paths])
    assert {name: entry["size"] for name, entry in merged["contents"].items()} == {
        "0": 0, "same": 1, "1": 1,
    }  # fmt: skip


def test_a_page_of_another_server_may_not_read_files(client):
    address = "/files/local/p/r/x.txt"
    allowed = client.options(address, headers={"Origin": "http://127.0.0.1"})
    assert allowed.headers["access-control-allow-origin"] == "http://127.0.0.1"
    for origin in ("http://elsewhere.example", "null"):
        refused = client.options(address, headers={"Origin": origin})
        assert refused.status_code == 403
        assert "access-control-allow-origin" not in refused.headers


def test_bytes_that_come_again_while_they_are_removed_are_kept(uploader, store, monkeypatch):
    """Nobody brings them between the look whether they are needed and the end of their file."""
    artifact = uploader.log({"a": b"one"})
    removed = []

    def unlink(path: Path, **_) -> None:
        removed.append((path.name, store._lock._is_held))

    monkeypatch.setattr(Path, "unlink", unlink)
    uploader.graphql(DELETE, id=artifact)
    assert (hashlib.md5(b"one").hexdigest(), True) in removed

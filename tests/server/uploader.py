"""Artifacts that a test logs by itself, request by request."""

import base64
import hashlib
import json

CREATE = """
mutation CreateArtifact($input: CreateArtifactInput!) {
  createArtifact(input: $input) { artifact { id state versionIndex
    artifactSequence { latestArtifact { id } } } } }"""
MANIFEST = """
mutation CreateArtifactManifest($input: CreateArtifactManifestInput!) {
  createArtifactManifest(input: $input) { artifactManifest { id file { uploadUrl } } } }"""
FILES = """
mutation CreateArtifactFiles($input: CreateArtifactFilesInput!) {
  createArtifactFiles(input: $input) { files { edges { node { uploadUrl storagePath } } } } }"""
COMMIT = """
mutation CommitArtifact($id: ID!) { commitArtifact(input: {artifactID: $id}) {
  artifact { id state versionIndex size fileCount } } }"""
DELETE = """
mutation DeleteArtifact($id: ID!) {
  deleteArtifact(input: {artifactID: $id, deleteAliases: true}) { artifact { id } } }"""
LIST = """
query Files($name: String!) { project(name: "p") { artifactCollectionMembership(name: $name) {
  artifact { digest } files { totalCount edges { node { name directUrl sizeBytes } } } } } }"""


def md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


class Uploader:
    """Logs artifacts to the collection `data` by single requests of a run."""

    def __init__(self, client, graphql, run: str = "r"):
        self.client = client
        self.graphql = graphql
        self.run = run
        query = """mutation R($run: String) {
          upsertBucket(input: {name: $run, modelName: "p"}) { inserted } }"""
        graphql(query, run=run)

    def create(self, digest: str = "d", name: str = "data", **values) -> dict:
        values = {
            "entityName": "local", "projectName": "p", "runName": self.run, "digest": digest,
            "artifactTypeName": "dataset", "artifactCollectionName": name,
            "enableDigestDeduplication": True, **values,
        }  # fmt: skip
        return self.graphql(CREATE, input=values)["createArtifact"]["artifact"]

    def urls(self, artifact: str, *contents: bytes) -> list[str | None]:
        specs = [{"artifactID": artifact, "name": "n", "md5": md5(c)} for c in contents]
        files = self.graphql(FILES, input={"artifactFiles": specs})["createArtifactFiles"]["files"]
        return [edge["node"]["uploadUrl"] for edge in files["edges"]]

    def manifest(self, artifact: str, content: bytes, run: str = "r", kind: str = "FULL") -> str:
        values = {
            "artifactID": artifact, "name": "m", "digest": md5(content), "entityName": "local",
            "projectName": "p", "runName": run, "type": kind,
        }  # fmt: skip
        reply = self.graphql(MANIFEST, input=values)["createArtifactManifest"]
        return reply["artifactManifest"]["file"]["uploadUrl"]

    def bring(self, artifact: str, contents: dict[str, bytes], **options) -> None:
        """Bring files and a manifest."""
        urls = self.urls(artifact, *contents.values())
        for url, content in zip(urls, contents.values(), strict=True):
            if url:
                assert self.client.put(url, content=content).status_code == 200
        entries = {name: {"digest": md5(c), "size": len(c)} for name, c in contents.items()}
        manifest = json.dumps({"version": 1, "contents": entries}).encode()
        url = self.manifest(artifact, manifest, **options)
        assert self.client.put(url, content=manifest).status_code == 200

    def commit(self, artifact: str) -> dict:
        return self.graphql(COMMIT, id=artifact)["commitArtifact"]["artifact"]

    def log(self, contents: dict[str, bytes], **values) -> str:
        artifact = self.create(str(contents), **values)["id"]
        self.bring(artifact, contents)
        self.commit(artifact)
        return artifact

    def listed(self, name: str = "data:latest") -> dict[str, str]:
        found = self.graphql(LIST, name=name)["project"]["artifactCollectionMembership"]
        nodes = [edge["node"] for edge in found["files"]["edges"]] if found else []
        return {node["name"]: node["directUrl"] for node in nodes}

    def refusal(self, query: str, **variables) -> str:
        reply = self.client.post("/graphql", json={"query": query, "variables": variables})
        assert 400 <= reply.status_code < 500, reply.text
        return reply.json()["errors"][0]["message"]

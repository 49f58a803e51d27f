"""Values of every wrong type and size, in every place of what clients send."""

import json
from collections.abc import Iterable, Iterator

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
)

from sweepserver.api.graphql import SCHEMA
from tests.server.strange.documents import Known, plausible

VALUES = [
    None, True, -1, 2**31, 2**63 - 1, 2**63, -(10**30), 1.5, 1e300, float("nan"), "", "x", "\x00",
    "9" * 30, [], [[]], {},
]  # fmt: skip
# What clients send as text that holds JSON, by the names of arguments.
JSON_TEXTS = {
    "config": [
        {
            "x": {"value": 1},
            "_wandb": {"value": {"t": {}, "branch_point": {"run_id": "r", "step": 1}, "m": [{}]}},
        }
    ],
    "specs": [{"keys": ["_step", "a"], "samples": 5, "minStep": 0, "maxStep": 9}],
    "filters": [
        {
            "$and": [
                {"summary_metrics.a": {"$gt": 0}}, {"created_at": {"$lt": 1}},
                {"tags": {"$in": ["x"]}}, {"name": "r"}, {"duration": {"$lt": 1}},
            ]
        }
    ],
    "controller": [
        {"schedule": [{"id": "s", "data": {"args": {"x": {"value": 1}}}}], "earlystop": ["r"]}
    ],
    "priorRunsFilters": [{"$or": [{"name": "r"}]}],
    "runState": [{"r": True}],
    "summaryMetrics": [{"a": 1, "b": {"max": 1}, "_wandb": {"runtime": 1}}],
    "metadata": [{"a": [1]}],
}  # fmt: skip
# By what name a field finds something.
NAMES = {
    "project": "p",
    "model": "p",
    "run": "r",
    "bucket": "r",
    "artifactType": "dataset",
    "artifactCollectionMembership": "a:v0",
    "artifactMembership": "v0",
}
ROW = {"_step": 2, "_timestamp": 1.0, "_runtime": 1.0, "a": 1, "b": {"_type": "x"}}
POST = {
    "files": {
        "wandb-history.jsonl": {"offset": 2, "content": [ROW]},
        "wandb-events.jsonl": {"offset": 2, "content": [{"_runtime": 1, "system.cpu": 1}]},
        "wandb-summary.json": {"offset": 0, "content": [{"a": 1, "b": {"max": 1}, "_runtime": 1}]},
        "output.log": {"offset": 2, "content": [{"ts": "x", "content": "x", "level": "error"}]},
    },
    "uploaded": ["x"],
    "preempting": False,
    "complete": False,
    "exitcode": 0,
}


def everywhere(sample: object) -> Iterator[object]:
    """Yield a JSON value with each part of it replaced by each of the `VALUES`."""
    yield from VALUES
    parts: Iterable[tuple] = ()
    if isinstance(sample, dict):
        parts = sample.items()
    elif isinstance(sample, list):
        parts = enumerate(sample)
    for place, part in parts:
        for wrong in everywhere(part):
            changed = sample.copy()
            changed[place] = wrong
            yield changed


def manifests(md5: str) -> Iterator[object]:
    """Yield manifests of artifacts, each with one wrong value.

    Args:
        md5: That of bytes which are there, in base64.
    """
    contents = {
        "x": {"digest": md5, "size": 1, "birthArtifactID": "x"},
        "y": {"digest": "x", "size": 1, "ref": "s3://x"},
    }
    yield from everywhere(
        {"version": 1, "storagePolicy": "wandb-storage-policy-v1", "contents": contents}
    )


def posts() -> Iterator[dict]:
    """Yield posts of a run, each with one wrong value, also within its lines."""
    for post in everywhere(POST):
        if isinstance(post, dict) and isinstance(post.get("files"), dict):
            post = post | {"files": {n: with_lines(part) for n, part in post["files"].items()}}
        yield post


def with_lines(part: object) -> object:
    """Return a part of a post whose lines are text."""
    content = part.get("content") if isinstance(part, dict) else None
    if not isinstance(content, list):
        return part
    return part | {"content": [json.dumps(x) if isinstance(x, dict) else x for x in content]}


def right(kind: object, name: str, operation: str, known: Known) -> object:
    """Return a value that fits an argument."""
    if isinstance(kind, GraphQLNonNull):
        return right(kind.of_type, name, operation, known)
    if isinstance(kind, GraphQLList):
        return [right(kind.of_type, name, operation, known)]
    if isinstance(kind, GraphQLInputObjectType):
        return {n: right(f.type, n, operation, known) for n, f in kind.fields.items()}
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    if kind.name in ("Int", "Int64", "Float", "Duration"):
        return 1
    if kind.name == "Boolean":
        return True
    if name in ("scheduler", "launchScheduler", "priorRunsFilters"):
        return None
    if name == "controller":
        return "{}"
    return plausible(name, operation, known)[0]


def wrong(kind: object, name: str, operation: str, known: Known) -> Iterator[object]:
    """Yield an argument with each wrong value in each of its places."""
    if isinstance(kind, GraphQLNonNull):
        yield from wrong(kind.of_type, name, operation, known)
    elif isinstance(kind, GraphQLList):
        yield from VALUES
        yield from ([value] for value in wrong(kind.of_type, name, operation, known))
    elif isinstance(kind, GraphQLInputObjectType):
        yield from VALUES
        whole = right(kind, name, operation, known)
        for field, details in kind.fields.items():
            for value in wrong(details.type, field, operation, known):
                yield whole | {field: value}
    else:
        yield from VALUES
        for sample in JSON_TEXTS.get(name, ()):
            yield from map(json.dumps, everywhere(sample))


def requests(root: GraphQLObjectType, known: Known) -> Iterator[dict]:
    """Yield requests with each argument of each field, with each wrong value in each of its places.

    Fields within others are reached by right arguments.
    """
    yield from within(root, "query" if root is SCHEMA.query_type else "mutation", "", "", known, [])


def within(
    kind: GraphQLObjectType, start: str, before: str, after: str, known: Known, seen: list
) -> Iterator[dict]:
    """Yield such requests for the fields of a type, which a path of other fields leads to."""
    if kind in seen:
        return
    seen.append(kind)
    for name, field in kind.fields.items():
        arguments = {n: right(a.type, n, name, known) for n, a in field.args.items()}
        declared = ", ".join(f"${n}: {a.type}" for n, a in field.args.items())
        call = f"{name}({', '.join(f'{n}: ${n}' for n in arguments)})" if arguments else name
        for argument, details in field.args.items():
            for value in wrong(details.type, argument, name, known):
                selected = f"{before} {call} {leaves(field.type)} {after}"
                yield {
                    "query": f"{start} W({declared}) {{ {selected} }}",
                    "variables": arguments | {argument: value},
                }
        inner = get_named_type(field.type)
        if isinstance(inner, GraphQLObjectType) and start == "query":
            literal = ", ".join(
                f"{n}: {json.dumps(NAMES.get(name) or right(a.type, n, name, known))}"
                for n, a in field.args.items()
                if isinstance(a.type, GraphQLNonNull) or n == "name"
            )
            step = f"{name}({literal}) {{" if literal else f"{name} {{"
            yield from within(inner, start, f"{before} {step}", f"}} {after}", known, seen)


def leaves(kind: object) -> str:
    """Return a selection of what a type, or each item of a list of its nodes, has by itself."""
    kind = get_named_type(kind)
    if is_leaf_type(kind):
        return ""
    chosen = ["__typename"]
    for name, field in getattr(kind, "fields", {}).items():  # unions have none
        inner = get_named_type(field.type)
        if not field.args and (is_leaf_type(inner) or name in ("edges", "node")):
            chosen.append(f"{name} {leaves(inner)}")
    return f"{{ {' '.join(chosen)} }}"

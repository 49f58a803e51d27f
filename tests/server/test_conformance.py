"""The documents inside the installed wandb-core, which sends most requests, fit the schema."""

import re
from functools import cache
from pathlib import Path

import pytest
import wandb
from graphql import GraphQLError, parse, validate

from workshop.server.graphql import SCHEMA

SERVED = [
    "CreateRunFiles",
    "HistoryPage",
    "OrganizationCoreWeaveOrganizationID",
    "QueryRunInfo",
    "RunConsoleLogPage",
    "RunConsoleLogTail",
    "RunParquetHistory",
    "RunResumeStatus",
    "RunState",
    "SampledHistoryPage",
    "ServerFeaturesQuery",
    "StopRun",
    "UpsertBucket",
    "UpsertSweepState",
    "Viewer",
]


@cache
def documents() -> dict[str, str]:
    """Return the documents of wandb-core by the name of their operation."""
    binary = (Path(wandb.__file__).parent / "bin" / "wandb-core").read_bytes()
    found = {}
    for match in re.finditer(rb"\n?(?:query|mutation) (\w+) ?[({]", binary):
        found.setdefault(match[1].decode(), balanced(binary, match.start()))
    return found


def balanced(binary: bytes, start: int) -> str:
    """Return the text from `start` to the brace that closes its outermost block."""
    depth = 0
    for end in range(start, start + 10_000):
        depth += {ord("{"): 1, ord("}"): -1}.get(binary[end], 0)
        if binary[end] == ord("}") and depth == 0 and b"\n" in binary[start + 1 : end]:
            return binary[start : end + 1].decode(errors="replace")
    return ""


@pytest.mark.parametrize("name", SERVED)
def test_a_document_of_the_client_is_served(name: str):
    try:
        errors = validate(SCHEMA, parse(documents()[name]))
    except (KeyError, GraphQLError) as error:
        pytest.fail(f"{name}: {error!r}")
    assert not errors, f"{name}: {errors}"

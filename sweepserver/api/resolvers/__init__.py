"""Resolvers for the fields of `schema.graphql`, a module for each kind of record.

`QUERY` and `MUTATION` hold a function for each field of these two types; it takes the request's
context and the field's arguments.  The other types are answered by the classes of the modules.
`IN_PARTS` names the mutations that write in several transactions of their own, because they are
long; each of these can be repeated without harm.

What answers a field returns records of the store.  `NODES` says which class answers for a record
of each type, so a run can lead to its sweep and a sweep to its runs, and neither module imports the
other.
"""

from collections.abc import Callable
from typing import Any

from sweepserver.api.resolvers import (
    agents,
    alerts,
    artifacts,
    files,
    projects,
    runs,
    sweeps,
    users,
)
from sweepserver.api.resolvers.artifacts import collections, nodes
from sweepserver.store.records import Agent, Alias, Artifact, Collection, Project, Run, Sweep, User
from sweepserver.store.versions import ArtifactType, Membership

NODES: dict[type, Callable[[Any], object]] = {
    User: users.UserNode,
    Project: projects.ProjectNode,
    Sweep: sweeps.SweepNode,
    Agent: agents.AgentNode,
    Run: runs.RunNode,
    Artifact: nodes.ArtifactNode,
    Alias: nodes.AliasNode,
    ArtifactType: collections.TypeNode,
    Collection: collections.CollectionNode,
    Membership: collections.MembershipNode,
}

QUERY = {**users.QUERY, **projects.QUERY, **artifacts.QUERY}
MUTATION = {
    **projects.MUTATION,
    **sweeps.MUTATION,
    **agents.MUTATION,
    **runs.MUTATION,
    **files.MUTATION,
    **alerts.MUTATION,
    **artifacts.MUTATION,
}
IN_PARTS = frozenset(artifacts.IN_PARTS)

"""What answers the fields of `schema.graphql`: one module for each thing.

`QUERY` and `MUTATION` hold a function for each field of these two types; it takes the request's
context and the field's arguments.  The other types are answered by the classes of the modules.
"""

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

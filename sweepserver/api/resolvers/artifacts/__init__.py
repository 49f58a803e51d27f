"""Artifacts: their collections, versions and files.

`nodes` has versions and their files, `collections` what holds them, `uploads` how they come in,
`edits` how they are used, changed and deleted.
"""

from sweepserver.api.resolvers.artifacts import collections, edits, nodes, uploads

QUERY = {**nodes.QUERY, **collections.QUERY}
MUTATION = {**uploads.MUTATION, **edits.MUTATION}
IN_PARTS = uploads.IN_PARTS

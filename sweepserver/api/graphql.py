"""Executes the client's GraphQL documents against `schema.graphql`.

GraphQL names are camelCase; the Python objects that answer have the same names in snake_case, as
attributes or as methods that take the request's context and the arguments.

A mutation is one transaction: it is kept as a whole before it is answered, or leaves no trace.
What takes seconds is done between two attempts at it, so that nobody else waits.  Mutations that
are `IN_PARTS` keep nothing but what is done there.

A request is bounded by what it says (`documents`), and by what it reads and answers (`Allowance`).
"""

import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLScalarType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    build_schema,
    execute_sync,
    get_operation_ast,
    parse,
    type_from_ast,
    validate,
)

from sweepserver.allowance import Allowance
from sweepserver.api import documents
from sweepserver.api.resolvers import IN_PARTS, MUTATION, NODES, QUERY
from sweepserver.api.resolvers.context import Context
from sweepserver.errors import RequestError, Unready
from sweepserver.inputs import count, whole_number
from sweepserver.scheduling.proposals import Prepared, SuggestionPending
from sweepserver.search.values import shorten
from sweepserver.store.database import LONGEST_READ_S, MOST_READ_BYTES
from sweepserver.values import finite, snake_case

log = logging.getLogger(__name__)


def load_schema() -> GraphQLSchema:
    """Return the schema, with arguments and input fields arriving under Python names."""
    schema = build_schema(Path(__file__).with_name("schema.graphql").read_text())
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLScalarType) and kind.name in WRITTEN:
            kind.coerce_output_value = WRITTEN[kind.name]
        elif isinstance(kind, GraphQLScalarType) and kind.name in READ:
            kind.coerce_input_value = READ[kind.name]
        elif isinstance(kind, GraphQLInputObjectType):
            for name, field in kind.fields.items():
                field.out_name = snake_case(name)
        elif isinstance(kind, GraphQLObjectType):
            for field in kind.fields.values():
                for name, argument in field.args.items():
                    argument.out_name = snake_case(name)
    return schema


def text(value: object) -> str:
    """Return an input value that must be a string."""
    if not isinstance(value, str):
        raise GraphQLError(f"expected a string that holds JSON, not {shorten(value)}")
    return value


def int64(value: object) -> int:
    """Return an input value that must be an integer of 64 bits."""
    try:
        return whole_number(value, "It")
    except RequestError as error:
        raise GraphQLError(str(error)) from error


# How the schema's own scalars are read from requests, and written into answers.
READ = {"JSONString": text, "Int64": int64, "Duration": int64}
WRITTEN = {"JSON": finite}
SCHEMA = load_schema()
COUNTS = {"first", "last", "samples"}  # the arguments that say how much is asked for
ROOTS = {OperationType.QUERY: QUERY, OperationType.MUTATION: MUTATION}


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the client, read but not executed.

    Attributes:
        document: The parsed document.
        operation: That of its operations which is to be executed.
        variables: The variables that the schema knows.
    """

    document: DocumentNode
    operation: OperationDefinitionNode
    variables: dict

    @property
    def is_mutation(self) -> bool:
        """Whether it may change something."""
        return self.operation.operation is OperationType.MUTATION

    @property
    def is_in_parts(self) -> bool:
        """Whether it writes nothing but what is kept before it is answered, in parts."""
        return all(
            isinstance(field, FieldNode) and snake_case(field.name.value) in IN_PARTS
            for field in self.operation.selection_set.selections
        )


def read(body: object) -> Request:
    """Return a request as it can be executed.

    Args:
        body: The parsed body: `query`, `variables`, `operationName`.

    Raises:
        RequestError: The request cannot be served; the message is for the user.
    """
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        raise RequestError("A GraphQL request must be a JSON object with a query.")
    document = checked(body["query"])
    name = body.get("operationName") or None
    operation = get_operation_ast(document, name)
    if operation is None or operation.operation not in ROOTS:
        raise RequestError(f"The GraphQL document has no operation {shorten(name)} to execute.")
    variables = known_variables(operation, body.get("variables") or {})
    request = Request(document, operation, variables)
    documents.check_sizes(variables, request.is_mutation)
    return request


def execute(context: Context, request: Request) -> dict:
    """Execute one request of the client.

    Args:
        context: Who asks, and what answers.
        request: What is asked.

    Returns:
        The value of `data` in the reply.

    Raises:
        RequestError: The request cannot be served; the message is for the user.
        sqlite3.Error: The store cannot be written or read.
        OSError: The disk cannot be written or read.
    """

    def transact(context: Context) -> dict:
        if request.is_mutation and request.is_in_parts:
            used = context.store.reading(context.allowance)
        elif request.is_mutation:
            used = writing(context)
        else:
            context = replace(context, allowance=Allowance(MOST_READ_BYTES, LONGEST_READ_S))
            used = context.store.reading(context.allowance)
        with used:
            result = execute_sync(
                SCHEMA,
                request.document,
                root_value=ROOTS[request.operation.operation],
                context_value=context,
                variable_values=request.variables,
                operation_name=request.operation.name.value if request.operation.name else None,
                field_resolver=resolve,
                type_resolver=concrete_type,
            )
            if result.errors:
                raise cause(result.errors[0], request.operation)
        for action in context.afterwards:
            action()
        return result.data or {}  # None only beside errors

    if request.is_mutation:
        context.quota.prepare(context.user.entity)
    while True:
        try:
            return transact(context)
        except Unready as missing:
            context.results[missing.work] = missing.call()
            context = replace(context, afterwards=[])
        except SuggestionPending as pending:
            return once_prepared(transact, context, pending)


@contextmanager
def writing(context: Context) -> Iterator[None]:
    """Commit what a mutation writes, if it fits into its user's quota."""
    growing = context.quota.growing(context.user.entity)
    with context.store.writing(context.allowance), growing:
        yield


def once_prepared(
    transact: Callable[[Context], dict], context: Context, pending: SuggestionPending
) -> dict:
    """Repeat a transaction that needs a point which takes long to compute.

    Whoever had to wait for somebody else's computation looks first whether a point is still
    needed.
    """
    with pending.turn() as granted:
        prepared = None
        if granted:
            try:
                return transact(replace(context, afterwards=[]))
            except SuggestionPending as again:
                prepared = again.work(context.compute)
        if prepared is None or pending.is_late:
            prepared = Prepared(pending.sweep.config, None)
        return transact(replace(context, afterwards=[], prepared=prepared))


def resolve(source: object, info: GraphQLResolveInfo, **arguments: Any) -> object:
    """Answer a field from an attribute, a method or a dictionary's item of the same name."""
    for argument in COUNTS.intersection(arguments):
        if arguments[argument] is not None:
            count(arguments[argument], f"`{argument}` of {info.field_name}")
    allowance = info.context.allowance
    allowance.is_counting = info.path.prev is not None  # what a mutation does is its own matter
    name = snake_case(info.field_name)
    value = source.get(name) if isinstance(source, dict) else getattr(source, name)
    answer = node_of(value(info.context, **arguments) if callable(value) else value)
    allowance.take(answer)
    return answer


def node_of(answer: object) -> object:
    """Return what answers for a record, or for each record of a list; anything else as it is."""
    if isinstance(answer, list) and answer and type(answer[0]) in NODES:
        return [node_of(item) for item in answer]
    node = NODES.get(type(answer))
    return node(answer) if node else answer


def concrete_type(value: Any, info: GraphQLResolveInfo, kind: object) -> str:
    """Return the type of an object where the schema allows several: its `typename`."""
    return value.typename


@lru_cache(maxsize=200)
def checked(text: str) -> DocumentNode:
    """Return the parsed document; the client's are fixed texts, so each is parsed once.

    Raises:
        RequestError: The text is not valid GraphQL, or asks for what the schema does not have.
    """
    documents.check_length(text)
    try:
        document = parse(text, no_location=True, max_tokens=documents.MOST_TOKENS)
        documents.check_extent(document)
        errors = validate(SCHEMA, document, documents.RULES, max_errors=1, hide_suggestions=True)
    except (GraphQLError, RecursionError) as error:
        raise RequestError(f"The GraphQL document cannot be read: {error}.") from error
    if errors:
        operation = get_operation_ast(document)
        name = operation.name.value if operation and operation.name else "This request"
        raise RequestError(
            f"{name} is not served by the workshop's local W&B server: {errors[0].message}"
        )
    return document


def known_variables(operation: OperationDefinitionNode, variables: dict) -> dict:
    """Return the variables without the input fields that the schema does not have.

    Clients of other versions send more fields than the schema knows, mostly null.
    """
    if not isinstance(variables, dict):
        raise RequestError("The variables of a GraphQL request must be a JSON object.")
    kinds = {
        definition.variable.name.value: type_from_ast(SCHEMA, definition.type)
        for definition in operation.variable_definitions or ()
    }
    return {
        name: known_fields(kinds[name], value) for name, value in variables.items() if name in kinds
    }


def known_fields(kind: object, value: object) -> object:
    """Return an input value without unknown fields, at every depth."""
    if isinstance(kind, GraphQLNonNull):
        return known_fields(kind.of_type, value)
    if isinstance(kind, GraphQLList) and isinstance(value, list):
        return [known_fields(kind.of_type, item) for item in value]
    if isinstance(kind, GraphQLInputObjectType) and isinstance(value, dict):
        return {
            name: known_fields(kind.fields[name].type, item)
            for name, item in value.items()
            if name in kind.fields
        }
    return value


def cause(error: GraphQLError, operation: OperationDefinitionNode) -> Exception:
    """Return the error to raise for one that a resolver or the engine reported."""
    original = error.original_error
    if isinstance(original, (SuggestionPending, Unready, RequestError, sqlite3.Error, OSError)):
        return original
    if original is None or isinstance(original, GraphQLError):
        return RequestError(error.message)
    name = operation.name.value if operation.name else "A request"
    log.error("%s failed at %s", name, error.path, exc_info=original)
    return RequestError(
        f"{name} failed inside the local W&B server; see its log for details.",
        HTTPStatus.BAD_REQUEST,
    )


def reply(data: dict) -> bytes:
    """Return the body of a successful reply."""
    return json.dumps({"data": data}, allow_nan=False, separators=(",", ":")).encode()


def refusal(message: str) -> bytes:
    """Return the body of an error response."""
    return json.dumps({"errors": [{"message": message}]}).encode()

"""What is short to say and costs much to do."""

import json


def merged(levels: int) -> str:
    """Return a short sweep that stands for 9 ** levels values by merge keys."""
    texts = ["a0: &a0 {x: 1, y: 2, z: 3}"]
    for level in range(1, levels + 1):
        texts.append(f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 9)}]}}")
    return "\n".join(texts)


def aliased(levels: int) -> str:
    """Return a short sweep that stands for 9 ** levels values by aliases."""
    texts = ["a0: &a0 [1, 2, 3]"]
    for level in range(1, levels + 1):
        texts.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]")
    return "\n".join(texts)


def numbered(part: str, number: int) -> str:
    """Return a selection of GraphQL with a field as often as that, under names of its own."""
    return f"{{{' '.join(f'a{i}: {part}' for i in range(number))}}}"


def nested(levels: int) -> str:
    """Return a document that stands for 2 ** levels fields by fragments."""
    run = 'project {{ run(name: "long") {{ ...f{} }} }}'
    fragments = (
        f"fragment f{i} on Run {{ a: {run.format(i + 1)} b: {run.format(i + 1)} }}"
        for i in range(levels)
    )
    last = f"fragment f{levels} on Run {{ name }}"
    first = '{ project(name: "p") { run(name: "long") { ...f0 } } }'
    return " ".join([first, *fragments, last])


ALL = "history(minStep: 0, maxStep: 100000)"  # of a run
SWEEPS = [
    merged(7), aliased(9), "[" * 99_000, "a: " + ":".join("1" * 90_000), "a: &a {<<: *a}",
    "a: &a {b: 1}\n" + "\n".join(f"c{i}: {{<<: *a}}" for i in range(9000)),
]  # fmt: skip
DOCUMENTS = [
    f'{{ project(name: "p") {{ run(name: "r") {numbered(ALL, 100)} }} }}',
    numbered("__typename", 100_000), nested(30), "{" * 5000, "{ __schema { types { name } } }",
    "query Q(" + " ".join(f"$a{i}: Int" for i in range(900)) + ") { viewer { id } }",
]  # fmt: skip
PATTERNS = ["^(a+)+$", "a{1,99999999999}", "((a{100}){100}){100}", "(.*){500}x", "a" * 2000]
FILTERS = [json.dumps({"display_name": {"$regex": pattern}}) for pattern in PATTERNS]
WIDE = json.dumps({f"k{i}": i for i in range(11_000)})

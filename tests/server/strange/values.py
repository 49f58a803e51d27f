"""Values that nobody would think of."""

from hypothesis import strategies as st

from tests.server.strange import costs

DEEP = "[" * 900 + "]" * 900
DEEP_OBJECT = '{"a":' * 900 + "1" + "}" * 900
TEXTS = [
    "", " ", ".", "..", "../canary", "../../canary", "/etc/passwd", "%2e%2e/canary", "a/b", "a\\b",
    "\x00", "a\x00b", "\ud800", "ü", "💥", "'", '"; DROP TABLE runs; --', "<script>", "{{7*7}}",
    "x" * 300, "x" * 70_000, "9" * 5000, "-1", "0", "1e999", "NaN", "null", "Run:0", "Run:",
    "Run:99999999999999999999", "Run:²", "Sweep:1", "Agent:1", "latest", "a:latest", "+a", "-,+,",
    "-summary_metrics.a", "config.a.value", "[", "{}", "[]", '"x"', DEEP, DEEP_OBJECT,
    '{"a": {"value": 1e999}}', f'{{"a": {"9" * 400}}}', '{"\\ud800": 1}', '{"_wandb": 3, "x": []}',
    '{"_wandb": {"value": []}}', '{"$and": [{"state": {"$in": ["x"]}}]}', '{"$or": 3}',
    '{"name": {"$regex": "("}}', '{"summary_metrics.a": {"$gt": NaN}}', '{"sweep": {"$in": []}}',
    '{"keys": ["a"], "samples": -1}', '{"keys": [[]], "minStep": "x"}', '{"keys": 3}',
    '{"keys": ["a"], "maxStep": 1e99, "samples": "x"}', '{"r": true}', '{"r": {}}',
    "method: grid", "{method: grid, parameters: {a: {values: []}}}", "a: &a [*a]",
    "!!python/object:os.system x", "{method: bayes, parameters: {a: {min: 0, max: 1}}}",
    "running", "RUNNING", "FINISHED", "pending", "finished", "2026-01-01T00:00:00", "0" * 32,
    *costs.SWEEPS, *costs.FILTERS,
]  # fmt: skip
INTEGERS = [0, 1, -1, 50, 2**31 - 1, -(2**31), 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**30]
FLOATS = [0.0, -0.5, 1e308, float("nan"), float("inf"), -float("inf")]


def texts() -> st.SearchStrategy[str]:
    """Return texts: what may be dangerous, and what is made up."""
    return st.one_of(st.sampled_from(TEXTS), st.text(max_size=20))


JSON_VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.sampled_from(INTEGERS), st.sampled_from(FLOATS),
        st.sampled_from(TEXTS),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(TEXTS), inner, max_size=3)
    ),
    max_leaves=6,
)  # fmt: skip

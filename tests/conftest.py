"""What all tests share; the first of these plugins gives them a home of their own."""

pytest_plugins = [
    "tests.fixtures.run",
    "tests.fixtures.requirements",
    "tests.fixtures.schedule",
    "tests.fixtures.timings",
    "tests.fixtures.campaigns",
    "tests.fixtures.backend",
    "tests.fixtures.server",
    "tests.fixtures.browser",
    "tests.fixtures.cluster",
    "tests.fixtures.rehearsal",
    "tests.fixtures.hub",
    "tests.fixtures.alone",
    "tests.fixtures.ondemand",
]

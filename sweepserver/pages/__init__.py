"""HTML pages of projects, sweeps, runs and artifacts, at the addresses that the client prints.

They work under any URL prefix, because every link is relative, and load nothing from elsewhere.
Templates escape whatever users logged.  See `auth` for who may look.

**A page** is a function from a `Visit` to the values of a template, decorated with
`page("template.html")`, and a route.  The template extends `base.html` (which takes `project` for
the trail) and is complete HTML: it can be read without scripts.  `tables.Table` and the macro
`tables.table` make tables that scripts let the reader sort.

**Live.** If the values hold a true `is_live`, `static/live.js` asks for the page's own address
every `seconds` (4 if not given) and makes every element that has an `id` and `data-live` like its
new version, in place: the reader's focus, selection, scrolling and sorting stay.  In `base.html`
the whole `<main>` is such an element, so that a page needs nothing of its own.  Children of lists
and tables should have a `data-key` by which they are known again; what is inside of an element
with `data-own` is left to scripts.

**Figures** get their data from JSON addresses beside the page, also with an ETag, and are renewed
in place.  The curves of a run are drawn by `static/curves.js`.  Parallel coordinates and
importance are drawn by a function that the server is given the name of, in the process for long
computations; the kit's are the notebooks' own, so that both show the same.
"""

from starlette.routing import Route

from sweepserver.pages import (
    artifacts,
    assets,
    classroom,
    figures,
    projects,
    runs,
    signin,
    sweeps,
)
from sweepserver.pages.problems import is_page, not_found, problem
from sweepserver.pages.rendering import page

__all__ = ["ROUTES", "is_page", "not_found", "problem"]

PAGES = {
    "/": page("projects.html")(projects.projects),
    "/authorize": page("authorize.html")(projects.authorize),
    "/settings": page("authorize.html")(projects.authorize),
    "/class": page("class.html")(classroom.classroom),
    "/leaderboard": page("leaderboard.html")(classroom.leaderboard),
    "/{entity}/{project}": page("project.html")(projects.project),
    "/{entity}/{project}/workspace": page("project.html")(projects.project),
    "/{entity}/{project}/groups/{group:path}": page("group.html")(projects.group),
    "/{entity}/{project}/sweeps/{sweep}": page("sweep.html")(sweeps.sweep),
    "/{entity}/{project}/runs/{run}": page("run.html")(runs.run),
    "/{entity}/{project}/artifacts": page("artifacts.html")(artifacts.artifacts),
    "/{entity}/{project}/jobs": page("artifacts.html")(artifacts.artifacts),  # which are artifacts
    "/{entity}/{project}/artifacts/{kind}/{name}": page("artifact.html")(artifacts.collection),
    "/{entity}/{project}/artifacts/{kind}/{name}/{version}": page("version.html")(
        artifacts.version
    ),
}
ROUTES = [
    *assets.ROUTES,
    *signin.ROUTES,
    Route("/{entity}/{project}/sweeps/{sweep}/figures.json", figures.sweep_figures),
    Route("/{entity}/{project}/runs/{run}/curves.json", figures.run_curves),
    Route("/{entity}/{project}/runs/{run}/system.json", figures.run_system),
    *(Route(path, endpoint) for path, endpoint in PAGES.items()),
]

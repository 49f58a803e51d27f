"""Execute notebooks as a batch job: `workshop run`.

An execution is a folder.  It contains the executed notebooks, an HTML page for each, an
`index.html` that links them, and `execution.json`, with which `workshop run --resume FOLDER`
continues after a failure:

- Notebooks that finished are kept and not executed again, even if they have changed since.
- The notebook that failed is executed from its first cell, as it is now.
- The parameters stay the same; other parameters need a new execution.

Several executions can run at once.  Each has its own folder and, unless `-p project=NAME` names
one, its own project, because notebooks 03 to 05 work on the newest sweep of their project.  They
share the local server and the rehearsal cluster, which the last execution stops if one of them
started it.
"""

from workshop.batch.execution import find
from workshop.batch.parameters import collected
from workshop.batch.running import resume, start

__all__ = ["collected", "find", "resume", "start"]

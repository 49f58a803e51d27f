"""Execute notebooks without a reader: `workshop run`.

One execution is one folder.  It holds the executed notebooks, a page of HTML for each, an
`index.html` that links them, and `execution.json`, from which `workshop run --resume FOLDER`
goes on after a failure:

- What finished is kept and not executed again, even if its notebook has changed since.
- The notebook that failed is executed from its first cell, as it is now.
- The parameters are those of the beginning; others need a new execution.

Several executions may go on side by side.  Each has a folder and, unless `-p project=NAME` says
otherwise, a project of its own, because notebooks 03 to 05 work on the newest sweep of their
project.  They share the local server, which ends with the last of them.
"""

from workshop.batch.finding import find
from workshop.batch.parameters import assignment
from workshop.batch.running import resume, start

__all__ = ["assignment", "find", "resume", "start"]

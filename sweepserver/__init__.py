"""A W&B server for one class, on one machine, without an account.

It speaks what the unmodified `wandb` client, its command line and its public API need for sweeps,
agents, runs, history and files.  It is not a replacement of W&B: no reports, no registry, no
teams.  `python -m sweepserver --store FOLDER` serves.  Nothing of the package `workshop` is
imported here; the kit knows the server by its URL, and shares with it what is pure: `search` and
`file_systems`.

From the outside in:

- `__main__` is the command; `serving` starts and stops; `connections` ends those that keep the
  server waiting, `queues` keeps one user's requests from another's way; `app` has the routes, and
  fills `services` for whoever answers.
- `api` answers clients.  `graphql` executes their documents against `schema.graphql` with
  `resolvers`; `filestream` takes what a run logs.
- `pages` shows it all to a browser.
- `scheduling` decides what an agent does next (`dispatch`), and what state runs and sweeps are in
  (`lifecycle`).  `search` makes the suggestions, from what `trials` keeps of a sweep's past.
- `people` knows who asks and may write (`auth`), makes a class its users (`roster`, `keys`), and
  tells how far each of them is (`activity`, `participants`, `leaderboard`).
- `store` keeps everything in one SQLite file, which `migrations` brings to this version's format,
  and the bytes of files and artifacts beside it.  `sizes` counts what everybody keeps, and `quota`
  says how much room there is.  `filters` selects and sorts runs.
- `search` is pure: what a sweep tries, what a valid one is, and by what its runs are compared.
- `inputs`, `values` and `errors` read what comes in, and say what is wrong with it; `allowance` is
  what one request may cost.
"""

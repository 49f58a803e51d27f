"""A W&B server for one class, on one machine, without an account.

It speaks what the unmodified `wandb` client, its command line and its public API need for sweeps,
agents, runs, history and files.  It is not a replacement of W&B: no reports, no registry, no
teams.  `python -m workshop.server --store FOLDER` serves; nothing else of the package `workshop`
is imported here.  The rest of the package knows the server by its URL, and shares with it what is
pure: `metric`, `scales` and `search`.

From the outside in:

- `__main__` is the command; `serving` starts and stops; `connections` ends those that keep the
  server waiting; `app` has the routes.
- `graphql` executes the client's documents against `schema.graphql` with `resolvers`;
  `filestream` takes what a run logs; `files` takes and gives the files of runs, for which `quota`
  says how much room there is.  `inputs` checks numbers, names and configs that come in.
- `controller` decides what an agent does next and what state runs and sweeps are in; `silence`
  measures who has not been heard; `search` makes the suggestions, from what `trials` keeps of a
  sweep's past; `filters` selects and sorts runs; `metric` says by what they are compared.
- `auth` knows who asks and may write; `keys` and `roster` make a class its users; `activity`,
  `participants` and `standings` tell how far each of them is.
- `pages` shows it all to a browser.
- `store` keeps everything in one SQLite file.
"""

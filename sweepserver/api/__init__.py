"""What W&B clients ask by HTTP: GraphQL, and the posts and files of runs."""

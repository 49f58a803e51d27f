"""Who uses the server, what they may do, and how far they are."""

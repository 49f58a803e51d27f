"""Users: who they are, what they may do, and how far they've got."""

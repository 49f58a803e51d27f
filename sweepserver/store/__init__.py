"""What the server keeps: one SQLite file, and the bytes of files and artifacts."""

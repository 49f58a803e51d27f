"""What looks on from inside of a program that is tried, at the head of its PYTHONPATH."""

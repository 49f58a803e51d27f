"""Scheduling: the next point of a sweep, which runs to stop, and when a sweep is done."""

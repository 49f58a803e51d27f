"""Measurements; each module prints tables when it is run."""

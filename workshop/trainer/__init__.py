"""The trainer: the configuration, the data and the network of one run, and its training."""

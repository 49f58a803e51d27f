"""One run: the configuration, the data, the network, and how it is trained."""

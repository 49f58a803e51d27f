"""Handwritten digits, and a model that learns them within a second."""

from importlib.metadata import distribution

import numpy as np

# `sklearn.datasets.load_digits` reads this file; to import scikit-learn for it takes seconds.
FILE = distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")
VALIDATION = 360  # images of 1,797
BATCHES = 45  # in each epoch


def train(learning_rate, momentum, epochs):
    """Fit a softmax regression; after each epoch, yield its validation loss and accuracy."""
    draw = np.random.default_rng(seed=0)
    table = draw.permutation(np.loadtxt(FILE, delimiter=","))
    pixels, digits = table[:, :-1] / 16, table[:, -1].astype(int)
    weights, speed = np.zeros((64, 10)), np.zeros((64, 10))
    for _ in range(epochs):
        order = draw.permutation(np.arange(VALIDATION, len(table)))
        for batch in np.array_split(order, BATCHES):
            errors = probabilities(pixels[batch] @ weights) - np.eye(10)[digits[batch]]
            speed = momentum * speed - learning_rate * pixels[batch].T @ errors / len(batch)
            weights += speed
        found = probabilities(pixels[:VALIDATION] @ weights)
        right = found[np.arange(VALIDATION), digits[:VALIDATION]]
        yield -np.log(right + 1e-9).mean(), (found.argmax(1) == digits[:VALIDATION]).mean()


def probabilities(scores):
    """Return the softmax of each row."""
    raised = np.exp(scores - scores.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)

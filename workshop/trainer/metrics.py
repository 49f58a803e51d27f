"""The names of what the trainer logs, with each epoch or once."""

TRAIN_LOSS = "Train Loss"
VALIDATION_LOSS = "Validation Loss"
VALIDATION_ACCURACY = "Validation Accuracy"

METRICS = (TRAIN_LOSS, VALIDATION_LOSS, VALIDATION_ACCURACY)
"""The metrics that a sweep can use."""

EPOCH = "Epoch"
LEARNING_RATE = "Learning Rate"
EPOCH_SECONDS = "Epoch Seconds"
IMAGES_PER_SECOND = "Images per Second"

EFFECTIVE_LEARNING_RATE = "Effective Learning Rate"
"""The learning rate that the optimizer was built with, in a run's summary."""

LOGGED = (*METRICS, EPOCH, LEARNING_RATE, EPOCH_SECONDS, IMAGES_PER_SECOND)
"""Everything that the trainer logs with each epoch."""

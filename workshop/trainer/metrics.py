"""What the trainer logs with each epoch, by the names that sweeps, analysis and figures use."""

TRAIN_LOSS = "Train Loss"
VALIDATION_LOSS = "Validation Loss"
VALIDATION_ACCURACY = "Validation Accuracy"

METRICS = (TRAIN_LOSS, VALIDATION_LOSS, VALIDATION_ACCURACY)
"""What a sweep can judge its runs by."""

EPOCH = "Epoch"
LEARNING_RATE = "Learning Rate"
EPOCH_SECONDS = "Epoch Seconds"
IMAGES_PER_SECOND = "Images per Second"

LOGGED = (*METRICS, EPOCH, LEARNING_RATE, EPOCH_SECONDS, IMAGES_PER_SECOND)
"""Everything that the trainer logs with each epoch."""

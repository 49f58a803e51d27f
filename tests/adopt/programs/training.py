"""A loss that falls with each step, as far as the learning rate and the momentum let it."""


def losses(lr=0.1, momentum=0.0, epochs=4):
    weight, speed = 1.0, 0.0
    for _ in range(epochs):
        speed = momentum * speed + weight
        weight -= lr * speed
        yield weight * weight

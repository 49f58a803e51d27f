"""Train with the options that are given, and print how well it goes."""

import argparse

from digits import train

parser = argparse.ArgumentParser()
parser.add_argument("--learning_rate", type=float, default=0.01)
parser.add_argument("--momentum", type=float, default=0.5)
parser.add_argument("--epochs", type=int, default=5)
args = parser.parse_args()

for loss, accuracy in train(args.learning_rate, args.momentum, args.epochs):
    print(f"validation loss {loss:.3f}, accuracy {accuracy:.1%}")

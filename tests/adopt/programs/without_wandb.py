"""A plain script: nothing tells W&B what it does."""

import argparse

from training import losses

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
for loss in losses(parser.parse_args().lr):
    print(loss)

"""``python -m trajectories``."""

import sys

from .cli.process import start

sys.exit(start())

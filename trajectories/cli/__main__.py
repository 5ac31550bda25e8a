"""``python -m trajectories.cli``."""

import sys

from .process import start

sys.exit(start())

"""``python -m trajectories.cli``."""

import sys

from .entry import main

sys.exit(main())

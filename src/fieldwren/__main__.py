"""``python -m fieldwren``."""

import sys

from fieldwren.cli import main

sys.exit(main())

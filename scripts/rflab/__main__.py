"""Starts rflab.cli from wherever the checkout is (python3 -I has no path of its own)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rflab.cli import run  # noqa: E402

sys.exit(run(sys.argv[1:]))

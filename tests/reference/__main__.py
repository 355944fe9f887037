"""``python -m tests.reference FILE.npz ...``."""

from __future__ import annotations

import sys

from tests.reference import main

sys.exit(main(sys.argv[1:]))

"""``python -m coodie``: the command line without its script."""

from __future__ import annotations

import sys

from coodie.cli._main import main

sys.exit(main())

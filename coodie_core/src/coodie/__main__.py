"""``python -m coodie``: the command line without its script."""

from __future__ import annotations

import sys

from coodie_script.start import main

sys.exit(main())

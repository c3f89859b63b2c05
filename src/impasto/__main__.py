"""`python -m impasto` is `impasto`."""

import sys

from impasto.cli.main import main

sys.exit(main())

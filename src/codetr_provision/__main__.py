"""`python -m codetr_provision`."""

import sys

from codetr_provision.cli import main

sys.exit(main())

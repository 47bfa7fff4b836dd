"""`python -m conda`."""

from conda import leave
from conda.cli import main

leave(main())

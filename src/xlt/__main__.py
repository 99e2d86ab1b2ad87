"""`python -m xlt`."""

from xlt.cli import main

main()

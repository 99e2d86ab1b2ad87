"""`python -m xlt`."""

from xlt.cli.main import main

main()

"""`python -m trunkline` is `trunkline`."""

from trunkline.cli import main

main()

"""`python -m trunkline.cli` is `trunkline`."""

from trunkline.cli import main

main()

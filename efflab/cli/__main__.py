"""``python -m efflab.cli``: the ``efflab`` command where its script is not on the path."""

from efflab.cli import main

main()

"""`python -m whenabouts`: the same as the command `whenabouts`."""

from whenabouts.cli import main

main()

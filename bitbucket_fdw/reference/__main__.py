"""``python -m bitbucket_fdw.reference docs/`` writes the reference pages."""

import sys

from .pages import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

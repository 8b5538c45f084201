"""``python -m bitbucket_fdw.command``: the command without its script."""

from .main import main

if __name__ == "__main__":
    main()

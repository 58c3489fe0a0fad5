"""``python -m analytics_exports``: the same as the ``analytics-exports`` command."""

from analytics_exports.cli import main

if __name__ == "__main__":
    main()

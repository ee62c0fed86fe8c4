"""``python -m rnnparity``."""

from rnnparity.cli.commands import main

if __name__ == "__main__":
    raise SystemExit(main())

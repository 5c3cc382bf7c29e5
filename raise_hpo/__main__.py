"""``python -m raise_hpo``."""

from raise_hpo.cli import main

if __name__ == "__main__":
    main()

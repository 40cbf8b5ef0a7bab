"""`python -m service.twin`: the twin alone."""

from service.twin.cli import main

if __name__ == "__main__":
    main()

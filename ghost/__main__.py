"""`python -m ghost`, where the `ghost` script is not installed."""

from ghost.cli import main

if __name__ == "__main__":
    main()

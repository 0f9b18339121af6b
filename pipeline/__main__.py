"""`python -m pipeline`. Kept bare: worker processes import it again."""

if __name__ == "__main__":
    import sys

    from pipeline.cli import main

    sys.exit(main(sys.argv[1:]))

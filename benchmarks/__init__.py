"""What a build costs, against the obvious ways and a bare loop: `python -m benchmarks.build`."""

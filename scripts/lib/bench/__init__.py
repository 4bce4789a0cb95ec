"""What `scripts/bench` measures, and how. `python -m bench --help` says what there is."""

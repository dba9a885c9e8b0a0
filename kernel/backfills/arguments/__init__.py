"""The arguments of every backfill command: their parser, the reading options made of them, and profiles, which are arguments in a file."""

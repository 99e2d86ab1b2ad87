"""Study files: YAML to checked records, every mistake told at once with its line."""

"""The command line: `ghost checkpoints ...` and `ghost token ...`. Each command imports its room when it is run."""

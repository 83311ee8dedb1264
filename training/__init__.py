"""Training: a frozen dataset in, an adapter out, with its evaluation. Knows no database and no Flask."""

"""Work that no request waits for. One entry per kind of machine. Knows rows; knows nothing of Flask."""

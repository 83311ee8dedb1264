"""Songs for a dataset: found, read, cleaned, compared, measured and frozen. Takes plain values and yields records.

Knows no rows, no requests and no models. A song that fails is a value here, not an exception.
"""

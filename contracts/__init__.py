"""What two processes agree on: settings, the bucket, manifests, wire types and service tokens.

Knows nothing of SQL rows, Flask or torch. Every other room may import this one.
"""

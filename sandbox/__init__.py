"""What makes `make run` work on a bare machine: an embedded Postgres, the stack and its supervisor, the demo voice.

Any room may be used here but `dashboards`; nothing else imports this one, save the tests.
"""

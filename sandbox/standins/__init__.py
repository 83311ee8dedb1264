"""Stand-ins of Spotify, Genius and LRCLIB: one process that answers as they do, with songs that we invented.

`make run` uses them where no keys are given, and the tests and benchmarks always, through the real client libraries.
`python -m sandbox.standins --help` starts them alone. Every page of theirs says `sandbox`.
"""

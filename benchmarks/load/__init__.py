"""The load generator, a process of its own on Locust. Only this package imports locust; `docs/load.md` explains it.

    Executor → Engine → RoundRobin → Pool → HttpConnection → ReplyParser
                 ↓
             Recorder → rows on disk, Locust's events

A `LocalLoad` is one of these chains in a `LoadProcess`; a `Master` has a `LoadWorker` on each of other hosts make a
`LocalLoad` of a share. `rows`, `shares` and `settings` are free of gevent and locust: the harness imports them.
Importing locust patches the whole process, so it happens in one place, first thing in `__main__`.
"""

"""The load generator, a process of its own on Locust. Only this package imports locust; `docs/load.md` explains it.

    Executor → Engine → Client → Pool → Connection → Reply
                 ↓
             Recorder → rows on disk, reports → Locust's events

A `Run` is one of these chains in a `Process`; a `Master` has `Worker`s on other hosts make it, each with a `Run` of a
share. `rows`, `shares` and `settings` are free of gevent and locust: the harness imports them. Importing locust patches
the whole process, so it happens in one place, first thing in `__main__`.
"""

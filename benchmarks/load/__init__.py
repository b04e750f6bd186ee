"""The load generator, a process of its own on Locust. Only this package imports locust; `docs/load.md` explains it.

    Executor → Engine → Client → Pool → Connection → Reply
                 ↓
             Recorder → rows on disk, reports → Locust's events

`rows` and `settings` are free of gevent and locust: the harness imports them. Importing locust patches the whole
process, so it happens in one place, first thing in `__main__`.
"""

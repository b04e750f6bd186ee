"""The HTTP client: small state machines on the event loop, nothing in which ever waits.

RoundRobin → Pool → HttpConnection → ReplyParser
"""

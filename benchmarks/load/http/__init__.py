"""The HTTP client: small state machines on the event loop, in which nothing ever waits.

RoundRobin → Pool → HttpConnection → ReplyParser
"""

"""Apache Kafka as the harness runs it: fetched once per user, then one KRaft node on loopback for each run.

jars → fetch → cache → prepare ──→ server → node, which `probe` proves to answer
"""

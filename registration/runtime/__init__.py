"""What a process of a trial runs on: its messages to and from the harness, its clock, its port, its records."""

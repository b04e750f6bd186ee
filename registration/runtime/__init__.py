"""What a process of a trial stands on: the talk with the harness, its clock, its port, its records."""

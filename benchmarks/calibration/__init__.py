"""What this machine and this harness can show: measured once per machine, stored, and copied into every run.

    parts (timer, clock, generator, harness, broker, noise) → Calibration → store → environment.json of each run

`docs/calibration.md` says what each part measures. Each part is a function that measures it; `measure.py` has
the table of them.
"""

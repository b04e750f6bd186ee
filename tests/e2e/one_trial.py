"""The shortest run of one variant, for those who ask about something other than its figures."""


def one_trial(variant: str, duration: str = "2s") -> tuple[str, ...]:
    """The words after `bench`: one quick block of `baseline`, which nothing repeats."""
    return (
        *("run", "baseline", "--quick", "--blocks", "1"),
        *("--variant", variant, "--duration", duration, "--repeat-invalid", "0"),
    )

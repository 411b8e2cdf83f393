"""What goes wrong in the lab, as one line for a person."""


class LabError(Exception):
    """Something failed: the message names the thing, the reason and, if known, the remedy."""


class Missing(LabError):
    """The machine lacks something that the lab needs; tests skip with this message (exit 77)."""

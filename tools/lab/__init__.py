"""Real qemu guests under a libvirtd of their own, for tests and for trying things.

    with Lab(directory) as lab:
        guest = lab.start(Guest("busy", duty_percent=30, cache="none"))
        guest.wait_booted()
        totals = guest.run("io write 100 4096 500")
"""

from .core import Lab, why_not
from .domain import Guest
from .errors import LabError, Missing
from .running import RunningGuest

__all__ = ["Guest", "Lab", "LabError", "Missing", "RunningGuest", "why_not"]

"""A guest, and the libvirt domain that it becomes."""

import dataclasses
import re
import uuid
from xml.sax.saxutils import escape, quoteattr

from .errors import LabError


@dataclasses.dataclass(frozen=True)
class Guest:
    """What a guest is like. Loads named here run from boot until the guest ends."""

    name: str
    memory_mib: int = 128
    vcpus: int = 1
    disk_mib: int = 64
    cache: str | None = None  # none, writeback, writethrough, directsync, unsafe; libvirt's default
    io: str | None = None  # native (with cache none or directsync), threads, io_uring
    duty_percent: float | None = None  # cpu-load at this percentage ...
    duty_threads: int = 1  # ... in so many threads
    io_load: str | None = None  # guest-io's arguments: "write 100 4096 0"
    network: bool = False  # an interface on the lab's bridge, without an address
    pin: str | None = None  # the host's CPUs that it may use: "0", "0-1", "0,2"
    shares: int | None = None  # weight against other guests; a guest without has 1024
    quota_percent: float | None = None  # of one CPU, at most, for vCPUs and emulator together
    urgent: bool = False  # goes before what else the machine runs; see running.make_urgent
    uuid: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))

    def __post_init__(self):
        if not self.name or not self.name.replace("-", "").replace("_", "").isalnum():
            raise LabError(f"a guest's name is made of letters, digits, - and _, not {self.name!r}")
        if self.io == "native" and self.cache not in ("none", "directsync"):
            raise LabError("io=native needs cache=none or cache=directsync")
        if self.pin is not None and not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", self.pin):
            raise LabError(f"pin names CPUs, as 0 or 0-1 or 0,2, not {self.pin!r}")
        if self.shares is not None and not 2 <= self.shares <= 262144:
            raise LabError(f"shares go from 2 to 262144, not {self.shares}")
        if self.urgent and (self.shares is not None or self.quota_percent is not None):
            raise LabError("an urgent guest has left its CPU control group: no shares, no quota")
        # Under 1 ms in 100 ms the kernel refuses it.
        if self.quota_percent is not None and not 1 <= self.quota_percent <= 100_000:
            raise LabError(f"quota goes from 1 to 100000 %, not {self.quota_percent:g}")


def _cpu_tuning(guest):
    parts = []
    if guest.shares is not None:
        parts.append(f"<shares>{guest.shares}</shares>")
    if guest.quota_percent is not None:
        # 100 ms: one per cent of one CPU is then a thousand of the quota's microseconds.
        quota = round(guest.quota_percent * 1000)
        parts.append("<global_period>100000</global_period>")
        parts.append(f"<global_quota>{quota}</global_quota>")
    if guest.pin is not None:
        parts += [f"<vcpupin vcpu='{n}' cpuset='{guest.pin}'/>" for n in range(guest.vcpus)]
        parts.append(f"<emulatorpin cpuset='{guest.pin}'/>")
    return f"<cputune>{''.join(parts)}</cputune>" if parts else ""


def domain_xml(guest, *, kernel, initramfs, disk, console, orders, bridge):
    """The domain: emulated (a machine under a hypervisor has no KVM to give), no firmware menu, a
    console into a file, a second serial line for orders, a balloon that reports each second."""
    # On a busy machine an emulated timer may look as if it did not work, and the kernel gives up.
    words = ["console=ttyS0", "quiet", "panic=-1", "no_timer_check"]
    if guest.duty_percent is not None:
        words += [f"lab.duty={guest.duty_percent:g}", f"lab.threads={guest.duty_threads}"]
    if guest.io_load is not None:
        words.append("lab.io=" + ",".join(guest.io_load.split()))
    modes = {"cache": guest.cache, "io": guest.io}
    driver = "".join(f" {key}={quoteattr(value)}" for key, value in modes.items() if value)
    interface = ""
    if guest.network:
        interface = f"""<interface type='bridge'>
      <source bridge={quoteattr(bridge)}/><model type='virtio'/>
    </interface>"""
    return f"""<domain type='qemu'>
  <name>{guest.name}</name>
  <uuid>{guest.uuid}</uuid>
  <memory unit='MiB'>{guest.memory_mib}</memory>
  <vcpu>{guest.vcpus}</vcpu>
  {_cpu_tuning(guest)}
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{escape(str(kernel))}</kernel>
    <initrd>{escape(str(initramfs))}</initrd>
    <cmdline>{escape(" ".join(words))}</cmdline>
  </os>
  <features><acpi/></features>
  <on_poweroff>destroy</on_poweroff><on_reboot>destroy</on_reboot><on_crash>destroy</on_crash>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'{driver}/>
      <source file={quoteattr(str(disk))}/>
      <target dev='vda' bus='virtio'/>
    </disk>
    {interface}
    <serial type='file'><source path={quoteattr(str(console))}/><target port='0'/></serial>
    <serial type='unix'>
      <source mode='bind' path={quoteattr(str(orders))}/><target port='1'/>
    </serial>
    <memballoon model='virtio'><stats period='1'/></memballoon>
  </devices>
</domain>
"""

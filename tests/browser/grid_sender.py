#!/usr/bin/python3
"""Sends frames of a grid that does not exist, for pictures, benchmarks and tests.

  grid_sender.py PORT --hosts 12 --vms 40          a frame of each host each second, until ended
  grid_sender.py PORT --hosts 1000 --vms 50 --seconds 60

The figures move as those of a grid do, are the same in every run, and are spread over the second.
"""

import argparse
import json
import math
import random
import signal
import socket
import struct
import sys
import time

MOST_DATAGRAM = 65507
WORDS = ("web", "db", "mail", "cache", "build", "queue", "auth", "proxy", "search", "ci")
GIB_KIB = 1 << 20
SIZES = (1, 1, 2, 2, 2, 4, 4, 8, 8, 16, 32)


class Wave:
    """A figure that wanders round its mean, with a period of its own."""

    def __init__(self, dice, mean, swing, low=0.0, high=100.0):
        self.mean, self.swing, self.low, self.high = mean, swing, low, high
        self.period = dice.uniform(20, 90)
        self.phase = dice.uniform(0, 2 * math.pi)
        self.dice = dice

    def at(self, second):
        value = self.mean + self.swing * math.sin(2 * math.pi * second / self.period + self.phase)
        value += self.dice.gauss(0, self.swing / 6)
        return min(self.high, max(self.low, value))


class Machine:
    """A virtual machine with its counters."""

    def __init__(self, dice, host, number):
        self.name = f"{dice.choice(WORDS)}-{host:04}-{number:02}"
        self.uuid = f"{host:08x}-{number:04x}-4000-8000-{dice.getrandbits(48):012x}"
        self.state = dice.choices((1, 5, 3, 6), (90, 7, 2, 0.4))[0]
        self.given = dice.choice(SIZES) * GIB_KIB
        self.used = Wave(dice, 0.3 + 0.6 * dice.random(), 0.05, 0.02, 1.0)
        self.cpu = Wave(dice, min(96.0, dice.expovariate(1 / 18)), 8)
        self.delay = Wave(dice, 45 if dice.random() < 0.0006 else dice.expovariate(1 / 1.2), 2)
        self.vcpus = dice.choice((1, 2, 2, 4, 8))
        self.io = dice.expovariate(1 / 40)
        self.cpu_ns = self.delay_ns = self.reads = self.writes = 0
        self.pid = 2000 + number

    def frame(self, second):
        cpu = self.cpu.at(second)
        if self.state != 1:
            return {"name": self.name, "uuid": self.uuid, "state": self.state, "cpu": 0.0,
                    "ram": self.given, "maxram": self.given}
        self.cpu_ns += int(cpu / 100 * self.vcpus * 1e9)
        self.delay_ns += int(self.delay.at(second) / 100 * self.vcpus * 1e9)
        self.reads += int(self.io)
        self.writes += int(self.io * 0.6)
        return {"name": self.name, "uuid": self.uuid, "state": 1, "cpu": round(cpu, 3),
                "ram": self.given, "maxram": self.given,
                "ext": {"pid": self.pid, "start": self.pid, "since": 1, "vcpus": self.vcpus,
                        "cpu_ns": self.cpu_ns, "run_delay_ns": self.delay_ns,
                        "rss_bytes": int(self.used.at(second) * self.given * 1024),
                        "block": [{"dev": "vda", "read_ops": self.reads, "read_bytes": self.reads * 16384,
                                   "write_ops": self.writes, "write_bytes": self.writes * 8192}]}}


class Host:
    def __init__(self, number, vms, kind=None):
        dice = random.Random(number)
        self.name = f"hv-{number:04}.example"
        self.sequence = 0
        self.cpu = Wave(dice, min(97, 15 + dice.expovariate(1 / 16)), 10)
        self.ram = Wave(dice, dice.uniform(35, 80), 3)
        self.disk = Wave(dice, min(97, dice.expovariate(1 / 14)), 9)
        self.cputemp = Wave(dice, dice.uniform(38, 62), 3)
        self.mbtemp = Wave(dice, dice.uniform(28, 40), 1)
        trouble = kind if kind is not None else dice.random()
        if trouble < 0.02:
            self.disk = Wave(dice, 97, 2)
        elif trouble < 0.035:
            self.ram = Wave(dice, 95, 1)
        elif trouble < 0.05:
            self.cputemp = Wave(dice, 88, 3)
        elif trouble < 0.1:
            self.cpu = Wave(dice, 88, 6)
        self.vms = [Machine(dice, number, vm) for vm in range(vms)]

    def datagrams(self, at, second):
        host = {"name": self.name, "time": at, "cpu": round(self.cpu.at(second), 4),
                "ram": round(self.ram.at(second), 4), "disk": round(self.disk.at(second), 4),
                "cputemp": round(self.cputemp.at(second), 1),
                "mbtemp": round(self.mbtemp.at(second), 1)}
        ext = {"boot": 1, "interval_ms": 1000, "source": "ebpf", "sample": int(at * 1000), "cpus": 32}
        vms = [vm.frame(second) for vm in self.vms]
        texts = [vms[at:at + 100] for at in range(0, len(vms), 100)] or [[]]
        for part, some in enumerate(texts):
            if len(texts) > 1:
                ext["part"] = [part, len(texts)]
            text = json.dumps({**host, "vms": some, "ext": ext}, separators=(",", ":")).encode()
            assert len(text) + 4 <= MOST_DATAGRAM
            yield struct.pack(">I", self.sequence) + text
            self.sequence = (self.sequence + 1) % 2**32


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("port", type=int)
    parser.add_argument("--hosts", type=int, default=12)
    parser.add_argument("--vms", type=int, default=30)
    parser.add_argument("--vary", action="store_true", help="hosts with few and with many VMs")
    parser.add_argument("--seconds", type=int, default=0, help="0: until ended")
    asked = parser.parse_args()
    if not (0 < asked.hosts <= 1000 and 0 <= asked.vms <= 500):
        parser.error("at most 1000 hosts with 500 VMs each")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    dice = random.Random(1)
    hosts = [Host(number, max(1, int(asked.vms * dice.choice((0.1, 0.3, 1, 1, 1.6)))) if asked.vary
                  else asked.vms) for number in range(1, asked.hosts + 1)]
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    target = ("127.0.0.1", asked.port)
    second = 0
    begun = time.monotonic()
    clock = time.time() - begun
    while not asked.seconds or second < asked.seconds:
        for number, host in enumerate(hosts):
            due = begun + second + 0.95 * (number + 1) / len(hosts)
            # Counters grow by a second's worth: on a busy machine, too, frames say a second later.
            for datagram in host.datagrams(clock + due - 1, second):
                sender.sendto(datagram, target)
            time.sleep(max(0.0, due - time.monotonic()))
        second += 1
        time.sleep(max(0.0, begun + second - time.monotonic()))


if __name__ == "__main__":
    main()

"""A collector that is sent the frames of a grid, for the viewer's terminal to show."""

import os
import threading
import time

from collector_process import Collector
from wire import frame

VIEWER = os.path.abspath(os.path.join(os.environ.get("VIRTPULSE_BIN", "build/release/bin"),
                                      "virtpulse-viewer"))
PATIENCE_S = 30  # for what has to happen at some time; a loaded machine is slow


class Grid:
    """A collector and the frames of some hosts, sent each 0.3 s until told otherwise."""

    def __init__(self, make):
        self.make = make
        self.collector = Collector()
        self.sender = self.collector.sender()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.send, daemon=True)
        self.thread.start()

    def send(self):
        sample = 0
        while not self.ended.is_set():
            sample += 1
            for one in self.make(sample):
                try:
                    self.sender.send(one)
                except OSError:
                    pass  # the collector has been stopped
                if sample % 10 == 0:
                    time.sleep(0.001)
            self.ended.wait(0.3)

    @property
    def address(self):
        return f"127.0.0.1:{self.collector.tcp}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        self.collector.stop()


def host(name, cpu, vms=(), **more):
    ext = {"interval_ms": 1000, **more.pop("ext", {})}
    return frame(name, cpu=cpu, ram=40.0, disk=5.0, cputemp=45.0, vms=vms, ext=ext, **more)

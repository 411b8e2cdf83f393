"""What the collector stored: read as anybody would, with SQL."""

import contextlib
import sqlite3
import time

from ..errors import LabError

# Samples come each second; a value at a moment needs one on either side.
MARGIN_S = 3

VM_SQL = """
SELECT s.* FROM vm_samples s JOIN vms v ON v.id = s.vm_id JOIN hosts h ON h.id = v.host_id
WHERE h.name = ? AND v.name = ? AND s.time_ms BETWEEN ? AND ? ORDER BY s.time_ms"""
# A lab's guest has one disk. By /proc it is there under libvirt's name, where libvirt was asked, and
# again as "total", of /proc/PID/io: the most is what is known.
BLOCK_SQL = """
SELECT s.time_ms, max(read_ops) read_ops, max(read_bytes) read_bytes, max(write_ops) write_ops,
       max(write_bytes) write_bytes, max(flush_ops) flush_ops, max(busy_ns) busy_ns
FROM vm_block_samples s JOIN vms v ON v.id = s.vm_id JOIN hosts h ON h.id = v.host_id
WHERE h.name = ? AND v.name = ? AND s.time_ms BETWEEN ? AND ?
GROUP BY s.time_ms ORDER BY s.time_ms"""
HOST_SQL = """
SELECT s.* FROM host_samples s JOIN hosts h ON h.id = s.host_id
WHERE h.name = ? AND s.time_ms BETWEEN ? AND ? ORDER BY s.time_ms"""
EVENT_SQL = """
SELECT * FROM events WHERE host = ? AND vm_name = ? AND time_ms BETWEEN ? AND ? ORDER BY id"""


class Database:
    """The file `path`, which the collector goes on writing. Times are s since the epoch."""

    def __init__(self, path):
        self._path = path

    def vm(self, host, name, since, until):
        """The VM's samples, each as a dictionary of columns with `time` in s."""
        return self._rows(VM_SQL, host, name, *_between(since, until))

    def block(self, host, name, since, until):
        return self._rows(BLOCK_SQL, host, name, *_between(since, until))

    def host(self, host, since, until):
        return self._rows(HOST_SQL, host, *_between(since, until))

    def events(self, host, name, since, until):
        return self._rows(EVENT_SQL, host, name, *_between(since, until))

    def wait_for(self, hosts, moment, timeout=20):
        """Waits until a sample of each of these hosts that was taken after `moment` is stored."""
        deadline = time.monotonic() + timeout
        while not all(self.host(host, moment, moment + 60) for host in hosts):
            if time.monotonic() > deadline:
                raise LabError(f"the database has no sample of {' and '.join(hosts)} that is as new")
            time.sleep(0.2)

    def _rows(self, sql, *values):
        uri = f"file:{self._path}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=10)) as connection:
            connection.row_factory = sqlite3.Row
            rows = [dict(row) for row in connection.execute(sql, values)]
        for row in rows:
            row["time"] = row["time_ms"] / 1000
        return rows


def at(rows, column, moment):
    """A counter at a moment, on the straight line between the samples around it; None where there
    is none on one side."""
    known = [(row["time"], row[column]) for row in rows if row.get(column) is not None]
    before = [pair for pair in known if pair[0] <= moment]
    after = [pair for pair in known if pair[0] > moment]
    if not before or not after:
        return None
    (t0, v0), (t1, v1) = before[-1], after[0]
    return v0 + (v1 - v0) * (moment - t0) / (t1 - t0)


def growth(rows, column, since, until):
    """How much a counter grew; None where it is not known."""
    first, last = at(rows, column, since), at(rows, column, until)
    return None if first is None or last is None else last - first


def rates(rows, column, scale=1.0):
    """[(time, growth per second)] between one sample and the next, for a plot. Two that came close
    together, as after libvirt hung, say nothing: the error of their times is as long."""
    known = [(row["time"], row[column]) for row in rows if row.get(column) is not None]
    return [
        (t1, scale * (v1 - v0) / (t1 - t0))
        for (t0, v0), (t1, v1) in zip(known, known[1:])
        if t1 - t0 > 0.3 and v1 >= v0
    ]


def _between(since, until):
    return round(since * 1000), round(until * 1000)

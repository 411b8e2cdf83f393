#!/usr/bin/env python3
"""Sealed frames (protocol 2.3): from a real agent, and from a sender that means no good."""

import contextlib
import os
import random
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import unittest

from collector_process import Collector, run
from databases import WithDatabase
from ports import free_port
from sealing import PACKED, PLAIN, Key, seal
from wire import THESIS_FRAME, frame, vm

AGENT = os.path.join(os.environ.get("VIRTPULSE_BIN", "build/release/bin"), "virtpulse-agent")
FLOOD = int(os.environ.get("VIRTPULSE_FLOOD", "100000"))  # bad frames
NOW_US = int(time.time() * 1e6)


def keygen(pattern="*"):
    code, line, said = run("keygen", "--host-pattern", pattern)
    assert (code, said) == (0, ""), said
    return line


def sum_dropped(collector):
    return sum(collector.stats()["dropped"].values())


class Agent:
    """A real agent that reads /proc and sends ten sealed frames a second."""

    def __init__(self, port, key_file, name, *arguments):
        self.log = os.memfd_create("log")
        self.process = subprocess.Popen(
            [AGENT, "--collector", f"127.0.0.1:{port}", "--key-file", key_file, "--name", name,
             "--source", "proc", "--libvirt", "none", "--interval", "100ms", *arguments],
            stderr=self.log)

    def said(self):
        return os.pread(self.log, 1 << 20, 0).decode()

    def end(self):
        self.process.terminate()
        code = self.process.wait(60)
        os.close(self.log)
        assert code == 0, code


class Capture:
    """A UDP port that keeps each datagram and passes it on."""

    def __init__(self, target):
        self.kept = []
        self.target = ("127.0.0.1", target)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while datagram := self.socket.recv(65536):
            self.kept.append(datagram)
            self.socket.sendto(datagram, self.target)

    def close(self):
        self.socket.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()


class Seals(WithDatabase):
    def path(self, name):
        return os.path.join(self.directory, name)

    def keys(self, *lines, name="keys", mode=0o600):
        """A key file, replaced in one step as an operator should."""
        path = self.path(name)
        with open(path + ".new", "w", encoding="ascii",
                  opener=lambda file, flags: os.open(file, flags, mode)) as file:
            file.writelines(lines)
        os.replace(path + ".new", path)
        return path

    def test_sealed_frames_are_relayed_as_their_json_and_plain_ones_refused(self):
        line = keygen("Fedora*")
        key = Key(line)
        file = self.keys(line)
        with Collector(self.database, "--key-file", file) as collector:
            reader = collector.reader()
            collector.stats()
            now = frame("Fedora14", vms=[vm(f"guest{i}", f"uuid{i}") for i in range(40)])
            sender = collector.sender()
            for number, kind in enumerate((PLAIN, PACKED)):
                sender.send_bytes(seal(key, number, NOW_US, now, kind))
                self.assertEqual(reader.live(), now)
            sender.send(frame("Fedora14"), 2)
            # Long ago by its time, and from a host that the key is not for.
            sender.send_bytes(seal(key, 3, NOW_US, THESIS_FRAME))
            sender.send_bytes(seal(key, 4, NOW_US, frame("other")))
            dropped = collector.settled(5)["dropped"]
            self.assertEqual({k: v for k, v in dropped.items() if v},
                             {"plain": 1, "skew": 1, "wrong_host": 1})
            self.assertNotIn(line.split()[1], collector.said())
        with Collector("none", "--key-file", file, "--take-plain") as collector:
            reader = collector.reader()
            collector.stats()
            collector.sender().send(THESIS_FRAME)
            self.assertEqual(reader.live(), THESIS_FRAME)
        with Collector() as collector:
            collector.sender().send_bytes(seal(key, 5, NOW_US, now))
            self.assertEqual(collector.settled(1)["dropped"]["sealed"], 1)

    def test_none_of_many_forged_replayed_wrong_host_and_old_frames_comes_in(self):
        mine, other, stranger = Key(keygen("good*")), Key(keygen("else")), Key(keygen())
        file = self.keys(*(f"{key.id} {key.bytes.hex()} {key.pattern}\n" for key in (mine, other)))
        source = random.Random(5)
        good = [seal(mine, i, NOW_US, frame("good"), (PLAIN, PACKED)[i % 2]) for i in range(500)]
        body = frame("good")

        def forged():
            datagram = bytearray(source.choice(good))
            at = source.randrange(len(datagram) * 8)
            datagram[at // 8] ^= 1 << at % 8
            return bytes(datagram)

        makers = [
            forged,
            lambda: source.choice(good)[:source.randrange(5, 200)],
            lambda: source.choice(good)[:33] + source.randbytes(120),
            lambda: b"\0\0\4\0" + source.choice(good)[4:],  # another number
            lambda: source.choice(good),  # replayed
            lambda: seal(stranger, source.randrange(2**32), NOW_US + 9, body),
            lambda: seal(other, source.randrange(2**32), NOW_US + 9, body),  # for another host
            lambda: seal(mine, source.randrange(2**32), NOW_US + 9, frame("else")),
            lambda: seal(mine, source.randrange(2**32), NOW_US - 1 - source.randrange(10**9), body),
            lambda: seal(mine, 10**6, NOW_US, frame("good", at=time.time() - 3600)),
            lambda: seal(mine, 10**6, NOW_US + 10**12, body),
            lambda: source.randbytes(4) + b"\2" + source.randbytes(source.randrange(300)),
            lambda: body.join((b"\0\0\4\0", b"")),  # plain
        ]
        with Collector(self.database, "--key-file", file) as collector:
            sender = collector.sender()
            sent = 0

            def send(datagram):
                nonlocal sent
                sender.send_bytes(datagram)
                sent += 1
                if sent % 100 == 0:  # so that none is lost on the way
                    collector.until(lambda: collector.stats()["datagrams"] == sent)
            for datagram in good:
                send(datagram)
            self.assertEqual(collector.settled(len(good))["frames"], len(good))
            for i in range(FLOOD):
                send(makers[i % len(makers)]())
            stats = collector.settled(sent)
            self.assertEqual(stats["kernel_drops"], 0)
            dropped = {k: v for k, v in stats["dropped"].items() if v}
            print(f"{FLOOD} bad frames, {stats['frames'] - len(good)} taken in, dropped: {dropped}")
            self.assertEqual(stats["frames"], len(good))
            self.assertEqual(sum(dropped.values()), FLOOD)
            for reason in ("bad_tag", "unknown_key", "too_short", "replayed", "wrong_host",
                           "old_start", "skew", "plain"):
                self.assertIn(reason, dropped)
            self.assertEqual(stats["hosts"]["known"], 1)
            # And the host is still heard.
            sender.send_bytes(seal(mine, len(good), NOW_US, body))
            self.assertEqual(collector.settled(sent + 1)["frames"], len(good) + 1)
            collector.stop()
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            self.assertEqual(connection.execute("SELECT name FROM hosts").fetchall(), [("good",)])

    def test_a_capture_of_an_agent_is_refused_after_a_restart_of_the_collector(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            file = self.keys(keygen("host?"))
            with Collector(self.database, "--key-file", file) as collector:
                capture = Capture(collector.udp)
                for _ in range(2):  # a former run too
                    agent = Agent(capture.port, file, "host1")
                    before = len(capture.kept)
                    collector.until(lambda: len(capture.kept) >= before + 10)
                    agent.end()
                capture.close()
                captured = list(capture.kept)
                self.assertEqual(collector.settled(len(captured))["frames"], len(captured))
                self.assertEqual(sum_dropped(collector), 0)
                collector.stop(number)
            self.assertNotIn(b'"name"', b"".join(captured))
            with Collector(self.database, "--key-file", file) as collector:
                reader = collector.reader()
                collector.stats()
                sender = collector.sender()
                for datagram in captured + captured[::-1]:
                    sender.send_bytes(datagram)
                stats = collector.settled(2 * len(captured))
                dropped = {k: v for k, v in stats["dropped"].items() if v}
                print(f"{2 * len(captured)} replayed after {number.name}: {stats['frames']} taken "
                      f"in, {dropped}")
                self.assertEqual(stats["frames"], 0)
                self.assertEqual(set(dropped), {"replayed", "old_start"})
                # The host itself comes in.
                agent = Agent(collector.udp, file, "host1")
                self.assertIn(b'"host1"', reader.live())
                agent.end()

    def test_keys_are_exchanged_without_a_lost_frame(self):
        lines = [keygen() for _ in range(11)]
        collector_file = self.keys(lines[0])
        agent_file = self.keys(lines[0], name="agent-keys")
        with Collector(self.database, "--key-file", collector_file) as collector:
            captures = [Capture(collector.udp) for _ in range(2)]
            agents = [Agent(captures[0].port, agent_file, "host1"),
                      Agent(captures[1].port, agent_file, "host2", "--pack", "none")]

            def renew(*at_collector, at_agent):
                self.keys(*at_collector)
                said = collector.said().count("from now on")
                collector.process.send_signal(signal.SIGHUP)
                collector.until(lambda: collector.said().count("from now on") > said)
                self.keys(*at_agent, name="agent-keys")
                for agent in agents:
                    said = agent.said().count("now sealed")
                    agent.process.send_signal(signal.SIGHUP)
                    collector.until(lambda: agent.said().count("now sealed") > said)
                before = [len(capture.kept) for capture in captures]
                collector.until(lambda: all(len(capture.kept) > count + 1
                                            for capture, count in zip(captures, before)))
            collector.until(lambda: all(len(capture.kept) > 3 for capture in captures))
            for old, new in zip(lines, lines[1:]):
                renew(old, new, at_agent=(old, new))
                renew(new, at_agent=(new,))
            # A file that cannot be read changes nothing.
            self.keys("no key\n")
            collector.process.send_signal(signal.SIGHUP)
            collector.until(lambda: "stay as they are" in collector.said())
            frames = collector.stats()["frames"]
            collector.until(lambda: collector.stats()["frames"] > frames + 10)
            for agent in agents:
                agent.end()
            for capture in captures:
                capture.close()
            stats = collector.settled(sum(len(capture.kept) for capture in captures))
            for name, capture in zip(("host1", "host2"), captures):
                counts = collector.host(name)["frames"]
                print(f"{name}: {len(capture.kept)} sent over {2 * len(lines) - 2} changes of keys, {counts}")
                self.assertEqual(counts["received"], len(capture.kept))
                self.assertEqual((counts["lost"], counts["restarted"]), (0, 0))
            self.assertEqual(sum(stats["dropped"].values()), 0)
            for line in lines:
                self.assertNotIn(line.split()[1], collector.said())

    def test_what_cannot_be_used_is_said_in_one_line_with_the_remedy(self):
        def refused(expected, code, *arguments):
            got, out, said = run("--db", "none", *arguments)
            self.assertEqual((got, out, said.count("\n")), (code, "", 1), said)
            self.assertIn(expected, said)
        line = keygen()
        refused("chmod 600", 1, "--key-file", self.keys(line, mode=0o644))
        refused("No such file", 1, "--key-file", self.path("missing"))
        refused("line 1", 1, "--key-file", self.keys("1 2 3\n"), "--check-config")
        file = self.keys(line)
        # Sealed frames may come from anywhere; viewers, and plain frames, may not.
        self.assertEqual(run("--key-file", file, "--udp", "0.0.0.0", "--check-config")[0], 0)
        refused("--allow-plain", 2, "--key-file", file, "--tcp", "0.0.0.0", "--check-config")
        refused("--allow-plain", 2, "--key-file", file, "--udp", "0.0.0.0", "--take-plain",
                "--check-config")
        self.assertEqual(run("keygen", "--host-pattern", "two words")[0], 2)
        self.assertEqual(run("keygen", line)[0], 2)  # a key on the command line
        with Collector(self.database, "--key-file", file):
            refused("in use by another", 1, "--key-file", file, "--replay-file",
                    self.database + ".replay", "--http", "none",
                    "--udp", f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}",
                    "--tcp", f"127.0.0.1:{free_port(socket.SOCK_STREAM)}")

        agent = subprocess.run([AGENT, "--key-file", self.keys(keygen("rack1-*")), "--name", "me",
                                "--check-config"], capture_output=True, text=True, check=False)
        self.assertEqual(agent.returncode, 1)
        self.assertIn("no host pattern fits 'me'", agent.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)

#!/usr/bin/env python3
"""The collector alone: frames in by UDP, out by TCP, into the database."""

import json
import random
import signal
import socket
import struct
import unittest

from collector_process import Collector, run
from databases import WithDatabase, rows
from ports import free_port
from wire import THESIS_FRAME, frame, vm


class Relay(WithDatabase):
    def test_the_frame_of_the_thesis_goes_through_byte_for_byte_and_into_the_database(self):
        with Collector(self.database) as collector:
            reader = collector.reader()
            collector.settled(0)
            collector.sender().send(THESIS_FRAME)
            self.assertEqual(reader.message(), (0, THESIS_FRAME))
            code, _ = collector.stop()
        self.assertEqual(code, 0)
        found = rows(self.database,
                     "SELECT vms.name, uuid, start_ns, state, cpu_percent, ram_kib, maxram_kib,"
                     " vm_samples.time_ms FROM vms JOIN vm_samples ON vm_id = vms.id"
                     " JOIN hosts ON host_id = hosts.id WHERE hosts.name = 'Fedora14'"
                     " ORDER BY vms.name")
        self.assertEqual(found, [
            ("1-Fedora-14-64bits", "87c63557-2a88-d1ee-b38b-9d7211f0256d", None, 5, 0.0, 1048576,
             1048576, 1308674056734),
            ("2-Fedora-14-64bits", "6cdbd6d2-266d-c568-bc78-7aaab689c0e5", None, 5, 0.0, 1048576,
             1048576, 1308674056734)])
        self.assertEqual(
            rows(self.database, "SELECT cpu_percent, ram_percent, disk_percent, cputemp_celsius,"
                 " mbtemp_celsius, boot_ns FROM host_samples"),
            [(5.350496117327408, 17.27959612522188, 0.0, 37.0, 36.0, None)])

    def test_a_viewer_gets_the_newest_frame_of_every_host_at_once_and_then_each(self):
        with Collector() as collector:
            sender = {name: collector.sender() for name in ("a", "b", "c")}
            newest = {}
            for i in range(3):
                for name in sender:
                    newest[name] = frame(name, at=1000.0 + i)
                    sender[name].send(newest[name])
            collector.settled(9)
            readers = [collector.reader() for _ in range(3)]
            for reader in readers:
                self.assertEqual({reader.live() for _ in newest}, set(newest.values()))
            burst = [frame("a", at=2000.0 + i) for i in range(50)]
            for text in burst:
                sender["a"].send(text)
            for reader in readers:
                self.assertEqual([reader.live() for _ in burst], burst)
                self.assertTrue(reader.nothing_for(0.1))

    def test_parts_are_relayed_and_all_of_them_are_sent_to_a_new_viewer(self):
        with Collector() as collector:
            reader = collector.reader()
            collector.settled(0)
            sender = collector.sender()

            def part(sample, index):
                return frame("big", at=1000.0 + sample, vms=[vm(f"v{index}", f"u{index}")],
                             ext={"boot": 5, "sample": sample, "part": [index, 3]})
            for sample in (1, 2):
                texts = [part(sample, i) for i in (1, 0, 2)]
                for text in texts:
                    sender.send(text)
                self.assertEqual({reader.live() for _ in texts}, set(texts))
            newcomer = collector.reader()
            self.assertEqual({newcomer.live() for _ in texts}, set(texts))
            host = collector.host("big")
            self.assertEqual((host["vms"], host["parts"]), (3, [3, 3]))

    def test_a_late_frame_is_stored_but_not_relayed(self):
        with Collector(self.database) as collector:
            reader = collector.reader()
            collector.settled(0)
            sender = collector.sender()
            texts = [frame("h", at=1000.0 + i) for i in range(4)]
            for number in (0, 2, 1, 3):
                sender.send(texts[number], number)
            self.assertEqual([reader.live() for _ in range(3)], [texts[0], texts[2], texts[3]])
            self.assertTrue(reader.nothing_for(0.1))
            collector.stop()
        self.assertEqual(len(rows(self.database, "SELECT * FROM host_samples")), 4)

    def test_a_viewer_that_never_reads_disturbs_nobody_and_costs_bounded_memory(self):
        vms = [vm(f"guest{i}", f"uuid{i}") for i in range(400)]
        with Collector() as collector:
            stuck = [collector.reader(receive_buffer=4096) for _ in range(8)]
            reader = collector.reader()
            collector.settled(0)
            sender = collector.sender()

            def pass_on(first, count):
                for i in range(first, first + count):
                    text = frame("h", at=1000.0 + i, vms=vms)
                    sender.send(text)
                    self.assertEqual(reader.live(), text)
            pass_on(0, 300)
            before = collector.memory_kib()
            pass_on(300, 1500)
            grown = collector.memory_kib() - before
            sent = 1500 * len(frame("h", vms=vms)) // 1024
            print(f"memory grew by {grown} KiB while {sent} KiB passed 8 viewers that never read")
            # What is held for each is at most an overtaken mebibyte, the text of which they share.
            self.assertLess(grown, sent // 2)
            self.assertGreater(collector.stats()["viewers"]["skipped_messages"], 1000)
            # When one reads again at last, it soon has the newest frame, and nothing after that.
            newest = frame("h", at=5000.0)
            sender.send(newest)
            while stuck[0].live() != newest:
                pass
            self.assertTrue(stuck[0].nothing_for(0.1))

    def test_a_viewer_may_close_its_side_and_read_on(self):
        with Collector() as collector:
            reader = collector.reader()
            reader.socket.shutdown(socket.SHUT_WR)
            collector.settled(0)
            collector.sender().send(THESIS_FRAME)
            self.assertEqual(reader.live(), THESIS_FRAME)


class Accounting(WithDatabase):
    def counts(self, collector, name):
        return collector.host(name)["frames"]

    def test_loss_reordering_duplicates_and_restarts_are_counted(self):
        with Collector(self.database) as collector:
            sender = collector.sender()
            order = [10, 11, 14, 13, 13, 14, 15, 17]  # 12 and 16 never come, 13 is late
            for number in order:
                sender.send(frame("plain", at=1000.0 + number), number)
            collector.settled(len(order))
            self.assertEqual(self.counts(collector, "plain"),
                             {"received": 6, "lost": 2, "late": 1, "duplicate": 2, "restarted": 0})
            sender.send(frame("plain", at=1100.0), 0)
            sender.send(frame("plain", at=1101.0), 1)
            collector.settled(len(order) + 2)
            self.assertEqual(self.counts(collector, "plain"),
                             {"received": 8, "lost": 2, "late": 1, "duplicate": 2, "restarted": 1})

            for boot, number in ((7, 2**32 - 2), (7, 2**32 - 1), (7, 1), (7, 0), (8, 5), (8, 6)):
                sender.send(frame("known", at=2000.0 + number % 7, ext={"boot": boot}), number)
            stats = collector.settled(len(order) + 8)
            self.assertEqual(self.counts(collector, "known"),
                             {"received": 6, "lost": 0, "late": 1, "duplicate": 0, "restarted": 1})
            self.assertEqual(stats["dropped"]["duplicate"], 2)
            collector.stop()
        self.assertEqual(rows(self.database, "SELECT count(*) FROM host_samples"
                              " JOIN hosts ON id = host_id WHERE name = 'plain'"), [(8,)])
        self.assertEqual(rows(self.database, "SELECT count(*) FROM events"
                              " WHERE kind = 'host_restarted'"), [(2,)])

    def test_vms_that_come_go_and_change_are_events(self):
        with Collector(self.database) as collector:
            sender = collector.sender()
            for i, vms in enumerate(([vm("a", "1"), vm("b", "2")], [vm("a", "1", 3)],
                                     [vm("a", "1", 3), vm("c", "3")])):
                sender.send(frame("h", at=1000.0 + i, vms=vms))
            collector.settled(3)
            collector.stop()
        self.assertEqual(
            rows(self.database, "SELECT kind, vm_name, detail FROM events ORDER BY id"),
            [("host_came", None, None), ("vm_state_changed", "a", "running -> paused"),
             ("vm_went", "b", None), ("vm_came", "c", "running")])


def malformed(count, random_source):
    """Datagrams, each wrong, and the reason for which it is to be counted, where that is known."""
    def numbered(text):
        return b"\0\0\0\1" + text
    good = frame("bad-host", at=1000.0, vms=[vm("g", "u")])
    makers = [
        lambda: (good[:random_source.randrange(0, 5)], "too_short"),
        lambda: (numbered(good[:random_source.randrange(1, len(good) - 1)]), "not_json"),
        lambda: (numbered(b"\1" + good), "sealed"),
        lambda: (numbered(b'[1,2]'), "not_object"),
        lambda: (numbered(good.replace(b'"cpu":1.5', b'"cpu":"much"')), "wrong_type"),
        lambda: (numbered(good.replace(b'"vms":[', b'"vms":[7,')), "wrong_type"),
        lambda: (numbered(good.replace(b'"state":1', b'"state":true')), "wrong_type"),
        lambda: (numbered(good.replace(b'1.5', b'NaN')), "not_json"),
        lambda: (numbered(good.replace(b'1.5', b'1e999')), "not_json"),
        lambda: (numbered(good.replace(b'1000.0', b'1e300')), "out_of_range"),
        lambda: (numbered(good.replace(b'524288', b'-1')), "out_of_range"),
        lambda: (numbered(good.replace(b'524288', b'9' * 25)), "not_json"),
        lambda: (numbered(good.replace(b'"state":1', b'"state":8')), "out_of_range"),
        lambda: (numbered(b'{"x":' * 2000 + b'1' + b'}' * 2000), "not_json"),
        lambda: (numbered(b'[' * 60000), "not_json"),
        lambda: (numbered(good.replace(b'bad-host', b'bad\xff\xc0host')), "not_json"),
        lambda: (numbered(good.replace(b'bad-host', b'n' * 60000)), "out_of_range"),
        lambda: (numbered(good.replace(b'bad-host', b'')), "out_of_range"),
        lambda: (numbered(good.replace(b'"name":"bad-host",', b'')), "missing_member"),
        lambda: (random_source.randbytes(random_source.randrange(0, 200)), None),
    ]
    for i in range(count):
        yield makers[i % len(makers)]()


class Hostile(WithDatabase):
    def test_ten_thousand_malformed_datagrams_are_counted_by_reason_and_stored_nowhere(self):
        expected = {}
        sent = 0
        with Collector(self.database) as collector:
            sender = collector.sender()
            for datagram, reason in malformed(10_000, random.Random(2011)):
                sender.send_bytes(datagram)
                sent += 1
                expected[reason] = expected.get(reason, 0) + 1
                if sent % 50 == 0:  # so that none is lost on the way
                    collector.until(lambda: collector.stats()["datagrams"] == sent)
            stats = collector.settled(sent)
            self.assertEqual(stats["datagrams"], 10_000)
            self.assertEqual(stats["kernel_drops"], 0)
            self.assertEqual(stats["frames"], 0)
            self.assertEqual(sum(stats["dropped"].values()), 10_000)
            self.assertEqual(stats["hosts"], {"known": 0, "live": 0, "vms": 0})
            print("counted:", {k: v for k, v in stats["dropped"].items() if v})
            free = expected.pop(None)  # random bytes: any reason, but no other surplus
            surplus = 0
            for reason, count in stats["dropped"].items():
                self.assertGreaterEqual(count, expected.get(reason, 0), reason)
                surplus += count - expected.get(reason, 0)
            self.assertEqual(surplus, free)
            lines = collector.said().count("refused")
            self.assertGreater(lines, 0)
            self.assertLess(lines, 200)

            reader = collector.reader()
            collector.stats()
            sender.send(THESIS_FRAME)
            self.assertEqual(reader.live(), THESIS_FRAME)
            collector.stop()
        self.assertEqual(rows(self.database, "SELECT name FROM hosts"), [("Fedora14",)])
        self.assertEqual(rows(self.database, "SELECT count(*) FROM host_samples"), [(1,)])
        self.assertEqual(rows(self.database, "SELECT count(*) FROM vms"), [(2,)])

    def test_malformed_tcp_bytes_end_only_their_own_connection(self):
        with Collector() as collector:
            bystander = collector.reader()
            collector.stats()
            too_long = struct.pack(">IB", 64 * 1024 + 1, 1)
            for hostile in (too_long, b"\xff" * 5000, b"GET / HTTP/1.1\r\n\r\n"):
                reader = collector.reader()
                reader.socket.sendall(hostile)
                with self.assertRaises((EOFError, ConnectionError)):
                    reader.message()
            self.assertEqual(collector.stats()["viewers"]["bad_streams"], 3)

            def code(text):
                return collector.ask(text)["error"]["code"]
            self.assertEqual(code(b"no json"), "bad_request")
            self.assertEqual(code(b"[" * 60000), "bad_request")
            self.assertEqual(code(b"\xff\xfe{}"), "bad_request")
            self.assertEqual(code(b"[]"), "bad_request")
            self.assertEqual(code({"id": 3}), "bad_request")
            self.assertEqual(code({"id": 3, "op": 7}), "bad_request")
            self.assertEqual(code({"id": 3, "op": "hosts", "after": 7}), "bad_request")
            self.assertEqual(collector.ask({"id": 3, "op": "fly"}),
                             {"id": 3, "error": {"code": "unknown_op",
                                                 "message": "known are about, hosts, host, domain, status, "
                                                            "stats, history, events, "
                                                            "snapshot and subscribe"}})
            # A type that it does not know is skipped.
            collector.asker.socket.sendall(struct.pack(">IB", 3, 200) + b"abc")
            stats = collector.stats()
            self.assertEqual(stats["viewers"]["bad_requests"], 8)
            self.assertEqual(stats["viewers"]["unknown_messages"], 1)

            source = random.Random(1)
            for _ in range(200):
                reader = collector.reader()
                try:
                    reader.socket.sendall(source.randbytes(source.randrange(1, 5000)))
                except ConnectionError:
                    pass
                reader.close()
            collector.sender().send(THESIS_FRAME)
            self.assertEqual(bystander.live(), THESIS_FRAME)

    def test_a_viewer_hears_only_of_the_hosts_that_it_subscribed_to(self):
        with Collector() as collector:
            senders = {name: collector.sender() for name in ("a", "b", "c", "later")}
            newest = {}

            def send(name):
                newest[name] = frame(name)
                senders[name].send(newest[name])
            for name in ("a", "b", "c"):
                send(name)
            collector.settled(3)
            asked = collector.ask({"id": 1, "op": "subscribe", "hosts": ["b", "later"]})
            self.assertEqual(asked, {"id": 1, "subscribed": 2})
            reader = collector.asker
            self.assertEqual(reader.message(), (0, newest["b"]))
            for name in ("a", "later", "c", "b"):
                send(name)
                if name in ("later", "b"):
                    self.assertEqual(reader.message(), (0, newest[name]))
            # What is wrong changes nothing; all again brings the newest of each.
            self.assertIn("error", collector.ask({"id": 2, "op": "subscribe", "hosts": "a"}))
            send("a")
            collector.settled(8)
            self.assertEqual(collector.ask({"id": 3, "op": "subscribe"}),
                             {"id": 3, "subscribed": None})
            self.assertEqual({reader.live() for _ in newest}, set(newest.values()))

    def test_requests_in_a_row_are_all_answered_in_their_order(self):
        with Collector() as collector:
            reader = collector.reader()
            request = b"".join(
                struct.pack(">IB", len(text), 1) + text for text in
                (json.dumps({"id": i, "op": "stats"}).encode() for i in range(500)))
            reader.socket.sendall(request)
            self.assertEqual([json.loads(reader.message()[1])["id"] for _ in range(500)],
                             list(range(500)))

    def test_hosts_come_in_pages(self):
        with Collector() as collector:
            sender = collector.sender()
            names = [f"host{i:04}" for i in range(2500)]
            for i, name in enumerate(names):
                sender.send(frame(name), 0)
                if i % 100 == 0:
                    collector.settled(i + 1)
            collector.settled(len(names))
            found, after = [], ""
            while after is not None:
                answer = collector.ask({"id": 1, "op": "hosts", "after": after})
                found += [host["name"] for host in answer["hosts"]]
                after = answer.get("next")
            self.assertEqual(found, names)


class Use(WithDatabase):
    def test_it_does_not_listen_beyond_loopback_unless_told(self):
        for flag in ("--udp", "--tcp", "--http"):
            code, _, said = run(flag, f"0.0.0.0:{free_port(socket.SOCK_DGRAM)}", "--db", "none")
            self.assertEqual(code, 2)
            self.assertIn("--allow-plain", said)
        code, out, _ = run("--udp", "0.0.0.0", "--allow-plain", "--check-config", "--db", "none")
        self.assertEqual((code, out), (0, "the configuration is good\n"))

    def test_wrong_use_is_said_with_exit_code_2(self):
        for arguments in (["--nonsense"], ["--udp", "1.2.3.4:99999"], ["--keep", "7"],
                          ["--keep", "0d"], ["--log-level", "loud"], ["extra"],
                          ["--config", "/nowhere/at/all.toml"]):
            code, out, said = run(*arguments)
            self.assertEqual((code, out), (2, ""), arguments)
            self.assertNotEqual(said, "", arguments)
        self.assertEqual(run("--help")[0], 0)
        self.assertRegex(run("--version")[1], r"^virtpulse-collector \d+\.\d+\.\d+\n$")

    def test_a_port_in_use_is_said_in_one_line_with_exit_code_1(self):
        with Collector() as collector:
            for udp, tcp, named in ((collector.udp, free_port(socket.SOCK_STREAM), "UDP"),
                                    (free_port(socket.SOCK_DGRAM), collector.tcp, "TCP")):
                code, _, said = run("--udp", f"127.0.0.1:{udp}", "--tcp", f"127.0.0.1:{tcp}",
                                    "--http", "none", "--db", "none")
                self.assertEqual(code, 1)
                self.assertEqual(said.count("\n"), 1, said)
                self.assertIn(named, said)
                self.assertIn("Address already in use", said)

    def test_a_configuration_file_is_read_and_checked(self):
        path = self.database + ".toml"
        with open(path, "w", encoding="ascii") as file:
            file.write('udp = "127.0.0.1:1234"\ndb = "none"\nkeep = "2d"\n')
        self.assertEqual(run("--config", path, "--check-config")[0], 0)
        with open(path, "a", encoding="ascii") as file:
            file.write('color = "red"\n')
        code, _, said = run("--config", path, "--check-config")
        self.assertEqual(code, 2)
        self.assertIn("color", said)

    def test_both_signals_end_it_cleanly(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with Collector() as collector:
                reader = collector.reader()
                collector.stats()
                code, took = collector.stop(number)
                print(f"{signal.Signals(number).name} to exit: {took * 1000:.0f} ms")
                self.assertEqual(code, 0)
                del reader


if __name__ == "__main__":
    unittest.main(verbosity=2)

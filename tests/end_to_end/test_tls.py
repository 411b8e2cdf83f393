#!/usr/bin/env python3
"""TLS between viewer and collector: who is let in, who is not, and what is said to whom."""

import concurrent.futures
import http.client
import json
import os
import resource
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

from certificates import Certificates
from collector_process import Collector, run
from ports import free_port
from wire import Reader, frame

VIEWER = os.path.join(os.environ.get("VIRTPULSE_BIN", "build/release/bin"), "virtpulse-viewer")
MOST_VIEWERS = 1024


def viewer(port, *arguments, host="127.0.0.1", good=lambda link: link["reason"]):
    """Runs the real viewer until its connection is as wanted; gives the last document."""
    with subprocess.Popen([VIEWER, "--collector", f"{host}:{port}", "--json", *arguments],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            end = time.monotonic() + 30
            while time.monotonic() < end:
                line = process.stdout.readline()
                if not line:
                    raise AssertionError("the viewer ended: " + process.stderr.read())
                document = json.loads(line)
                if good(document["collectors"][0]):
                    return document
            raise AssertionError("it never came to that: " + line)
        finally:
            process.terminate()


def together(*calls):
    """Viewers mostly wait, so several of them wait at the same time."""
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        for done in [pool.submit(call) for call in calls]:
            done.result()


class Server:
    """A collector that is none: each connection goes to `greet` in a thread of its own."""

    def __init__(self, greet):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.greet = greet
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()
            except OSError:
                return

    def serve(self, connection):
        with connection:
            try:
                self.greet(connection)
            except OSError:
                pass  # the viewer wants none of it

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="virtpulse-")
        cls.made = made = Certificates(cls.directory.name)
        cls.ca, cls.other_ca = made.ca("ca"), made.ca("other-ca")
        cls.server = made.make("grid1")
        cls.mine = made.make("viewer7")
        cls.late = made.make("late", days=-1)

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def context(self, ca=None, certificate=None):
        context = ssl.create_default_context(cafile=ca or self.ca)
        if certificate:
            context.load_cert_chain(*certificate)
        return context

    def collector(self, *arguments, server=None, certificate=None):
        certificate_file, key = server or self.server
        return Collector("none", "--tls-cert", certificate_file, "--tls-key", key, *arguments,
                         tls=self.context(certificate=certificate))

    def refused(self, expected, port, *arguments, **options):
        """The viewer's connection does not come about, for this reason."""
        document = viewer(port, *arguments, **options)
        self.assertIn(expected, document["collectors"][0]["reason"])
        self.assertEqual(document["hosts"], [])

    def test_frames_and_answers_come_through_tls_1_3_and_nothing_older(self):
        with self.collector() as collector:
            self.assertIn("(TLS)", collector.said())
            sent = frame("alpha")
            collector.sender().send(sent)
            document = viewer(collector.tcp, "--collector-ca", self.ca,
                              good=lambda link: link["frames"])
            self.assertEqual([host["name"] for host in document["hosts"]], ["alpha"])
            self.assertEqual(document["collectors"][0]["state"], "connected")
            self.assertEqual(collector.ask({"id": 7, "op": "about"})["id"], 7)
            reader = collector.reader()
            self.assertEqual(reader.socket.version(), "TLSv1.3")
            self.assertEqual(reader.live(), sent)
            old = self.context()
            old.maximum_version = ssl.TLSVersion.TLSv1_2
            with self.assertRaises(ssl.SSLError):
                collector.reader(tls=old)
            collector.until(lambda: "does not speak TLS 1.3" in collector.said())
            self.assertEqual(collector.stats()["viewers"]["failed_handshakes"], 1)

    def test_with_a_client_ca_only_viewers_with_its_certificates_are_let_in(self):
        stranger = self.made.make("stranger", ca="other-ca")
        with self.collector("--tls-client-ca", self.ca, certificate=self.mine) as collector:
            collector.sender().send(frame("alpha"))
            shown = ("--collector-cert", self.mine[0], "--collector-key", self.mine[1])
            theirs = ("--collector-cert", stranger[0], "--collector-key", stranger[1])
            known = (collector.tcp, "--collector-ca", self.ca)
            together(
                lambda: viewer(*known, *shown, good=lambda link: link["frames"]),
                lambda: self.refused("wants a certificate: give --collector-cert", *known),
                lambda: self.refused("does not know the CA of our certificate", *known, *theirs))
            # Ours would not even begin with one that has expired.
            with self.assertRaises(OSError):
                collector.reader(tls=self.context(certificate=self.late)).message()
            # The log has one line a second: of those at one time the last.
            collector.until(lambda: "'CN=late' expired on " in collector.said())
            for context, why in (
                    (self.context(), "showed no certificate"),
                    (self.context(certificate=stranger), "'CN=stranger' is signed by 'CN=other-ca', "
                                                         "which is not among the known CAs")):
                with self.assertRaises(OSError):
                    collector.reader(tls=context).message()
                collector.until(lambda: why in collector.said())
            viewers = collector.stats()["viewers"]
            self.assertGreaterEqual(viewers["failed_handshakes"], 3)
            self.assertEqual(viewers["refused"], 0)

    def front(self, behind, *arguments):
        return Collector(None, "--behind", f"127.0.0.1:{behind.tcp}", *arguments,
                         ports=(None, free_port(socket.SOCK_STREAM)))

    def test_a_front_speaks_tls_with_those_behind_it(self):
        def reason(front):
            return front.stats()["behind"][0]["reason"]

        with self.collector("--tls-client-ca", self.ca, certificate=self.mine) as behind:
            sent = frame("alpha")
            behind.sender().send(sent)
            trusting, mine = ("--behind-ca", self.ca), ("--behind-cert", self.mine[0],
                                                        "--behind-key", self.mine[1])
            with self.front(behind, *trusting, *mine) as front:
                self.assertEqual(front.reader().live(), sent)
                self.assertIsNone(reason(front))
                self.assertEqual(front.host("alpha")["name"], "alpha")
            for arguments, why in (
                    ((), "TLS"),
                    (("--behind-ca", self.other_ca, *mine),
                     "'CN=ca' is signed by itself and is not among the known CAs"),
                    (trusting, "wants a certificate")):
                with self.subTest(arguments=arguments), self.front(behind, *arguments) as front:
                    front.until(lambda: reason(front) and why in reason(front))
                    # Not an empty list: nothing is known of the hosts.
                    self.assertIn(why, json.dumps(front.ask({"id": 2, "op": "hosts"})["error"]))

    def test_the_viewer_says_what_is_wrong_with_the_collectors_certificate(self):
        with self.collector() as collector:
            together(
                lambda: self.refused("the certificate 'CN=grid1' is signed by 'CN=ca', which is not "
                                     "among the known CAs", collector.tcp,
                                     "--collector-ca", self.other_ca),
                lambda: self.refused("the certificate 'CN=grid1' is for 127.0.0.1, and not for "
                                     "localhost", collector.tcp, "--collector-ca", self.ca,
                                     host="localhost"))

        def showing(certificate, version=ssl.TLSVersion.TLSv1_3):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            context.maximum_version = version
            return lambda connection: context.wrap_socket(connection, server_side=True).recv(1)
        with Server(showing(self.late)) as late, \
                Server(showing(self.server, ssl.TLSVersion.TLSv1_2)) as old:
            together(
                lambda: self.refused("the certificate 'CN=late' expired on ", late.port,
                                     "--collector-ca", self.ca),
                lambda: self.refused("the other side does not speak TLS 1.3", old.port,
                                     "--collector-ca", self.ca))

    def test_who_speaks_tls_and_who_does_not_are_told_at_once(self):
        # A plain collector with no host yet, and with one, speaks last and first.
        with Collector("none") as empty, Collector("none") as plain, self.collector() as collector:
            plain.sender().send(frame("alpha"))
            plain.until(lambda: plain.host("alpha"))
            # A handshake that stops in its midst; its time goes on while we look at others.
            half = Reader(collector.tcp)
            half.socket.sendall(b"\x16\3\1\2\0\1\0\1\xfc\3\3")
            # One that only reads, as the standard has it, and one that asks.
            together(
                lambda: self.refused("speaks TLS only: give --collector-ca", collector.tcp),
                lambda: self.refused("does the other side speak TLS?", empty.tcp,
                                     "--collector-ca", self.ca),
                lambda: self.refused("does not speak TLS", plain.tcp, "--collector-ca", self.ca))
            collector.until(lambda: "began no TLS handshake" in collector.said())
            reader = collector.reader(tls=None)
            reader.socket.sendall(b"\0\0\0\x15\1" + b'{"id":7,"op":"about"}')
            self.assertEqual(reader.exactly(2), b"\x15\3")
            collector.until(lambda: "does not speak TLS" in collector.said())
            self.assertEqual(half.socket.recv(1), b"")
            half.close()

    def test_handshakes_that_never_begin_take_places_but_not_for_long(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with self.collector() as collector:
            begun = time.monotonic()
            silent = [Reader(collector.tcp) for _ in range(MOST_VIEWERS + 8)]
            refused = [each.socket.recv(1) for each in silent[MOST_VIEWERS:]]
            if time.monotonic() - begun > 4:
                self.skipTest("too slow a machine: the first are closed before the last have come")
            self.assertEqual(refused, [b""] * 8)
            self.assertEqual(silent[0].socket.recv(7)[:2], b"\x15\3")
            for each in silent:
                each.close()
            viewers = collector.stats()["viewers"]
            self.assertEqual(viewers["refused"], 8)
            self.assertEqual(viewers["connected"], 1)
            collector.until(lambda: collector.stats()["viewers"]["failed_handshakes"] ==
                            MOST_VIEWERS)

    def test_certificates_are_renewed_while_viewers_stay_connected(self):
        def subject(reader):
            return reader.socket.getpeercert()["subject"][0][0][1]
        files = self.made.make("first", file="live")
        with self.collector(server=files) as collector:
            before = collector.reader()
            self.assertEqual(subject(before), "first")

            def renew(expected):
                said = collector.said().count(expected)
                collector.process.send_signal(signal.SIGHUP)
                collector.until(lambda: collector.said().count(expected) > said)
            self.made.make("second", file="live")
            renew("from now on is shown")
            self.assertEqual(subject(collector.reader()), "second")
            for bad, why in ((lambda: self.made.make("third", file="live", days=-1), "expired on"),
                             (lambda: os.truncate(files[0], 0), "no PEM certificate"),
                             (lambda: os.chmod(files[1], 0o644), "chmod 600"),
                             (lambda: os.unlink(files[1]), "No such file")):
                if why == "chmod 600":
                    self.made.make("fourth", file="live")
                bad()
                renew("the certificates stay as they are")
                self.assertIn(why, collector.said().splitlines()[-1])
            self.assertEqual(subject(collector.reader()), "second")
            sent = frame("alpha")
            collector.sender().send(sent)
            self.assertEqual(before.live(), sent)

    def test_what_cannot_be_used_is_said_in_one_line_with_the_remedy(self):
        def check(expected, code, *arguments):
            got, out, said = run("--db", "none", "--check-config", *arguments)
            self.assertEqual(got, code, said)
            self.assertIn(expected, said)
            self.assertLessEqual(said.count("\n"), 1 if code == 1 else 4, said)
            return out
        certificate, key = self.server
        late, late_key = self.late
        good = ("--tls-cert", certificate, "--tls-key", key)
        check("", 0, *good)
        check("expired on", 1, "--tls-cert", late, "--tls-key", late_key)
        check("is not that of the certificate", 1, "--tls-cert", certificate, "--tls-key", late_key)
        check("No such file", 1, *good, "--tls-client-ca", "/none")
        check("--tls-key", 2, "--tls-cert", certificate)
        check("--tls-cert", 2, "--tls-client-ca", self.ca)
        code, _, said = run("--db", "none", "--tls-cert", late, "--tls-key", late_key)
        self.assertEqual((code, said.count("\n")), (1, 1), said)
        # Beyond loopback only who knows his viewers.
        check("give --tls-cert and --tls-client-ca", 2, *good, "--tcp", "0.0.0.0")
        check("", 0, *good, "--tcp", "0.0.0.0", "--tls-client-ca", self.ca)
        check("", 0, *good, "--tcp", "0.0.0.0", "--allow-plain")
        check("--http-tls", 2, *good, "--http", "0.0.0.0", "--tls-client-ca", self.ca)
        check("", 0, *good, "--http", "0.0.0.0", "--tls-client-ca", self.ca, "--http-tls")
        for arguments, expected, exit_code in (
                (("--collector-ca", "/none"), "No such file", 1),
                (("--collector-ca", self.ca, "--collector-cert", late, "--collector-key", late_key),
                 "'CN=late' in " + late + " expired on", 1),
                (("--collector-cert", certificate, "--collector-key", key), "--collector-ca", 2)):
            done = subprocess.run([VIEWER, "--json", "--count", "1", *arguments], check=False,
                                  capture_output=True, text=True, timeout=30)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (exit_code, 1), done.stderr)
            self.assertIn(expected, done.stderr)

    def test_http_speaks_tls_where_it_is_told_to(self):
        def get(collector, scheme, context=None):
            with urllib.request.urlopen(f"{scheme}://127.0.0.1:{collector.http}/healthz",
                                        timeout=20, context=context) as response:
                return response.read()
        with self.collector() as collector:
            self.assertEqual(get(collector, "http"), b"ok\n")
        with self.collector("--http-tls", "--tls-client-ca", self.ca,
                            certificate=self.mine) as collector:
            self.assertEqual(get(collector, "https", self.context(certificate=self.mine)), b"ok\n")
            for scheme, context in (("http", None), ("https", self.context())):
                with self.assertRaises((OSError, http.client.HTTPException)):
                    get(collector, scheme, context)


if __name__ == "__main__":
    unittest.main(verbosity=2)

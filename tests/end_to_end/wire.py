"""A sender of frames and a reader of live samples, written only from the standard part of the
protocol: UDP datagrams of a sequence number and JSON, TCP messages of a length, a type and JSON."""

import json
import socket
import struct
import time

THESIS_FRAME = (
    b'{"cputemp":37.0,"mbtemp":36.0,"ram":17.27959612522188,"vms":[{"maxram":1048576,'
    b'"name":"1-Fedora-14-64bits","ram":1048576,"state":5,"cpu":0.0,'
    b'"uuid":"87c63557-2a88-d1ee-b38b-9d7211f0256d"},{"maxram":1048576,'
    b'"name":"2-Fedora-14-64bits","ram":1048576,"state":5,"cpu":0.0,'
    b'"uuid":"6cdbd6d2-266d-c568-bc78-7aaab689c0e5"}],"time":1308674056.734489,"disk":0.0,'
    b'"cpu":5.350496117327408,"name":"Fedora14"}')

LIVE = 0


def frame(host, at=None, vms=(), **more):
    """The JSON of a frame, as bytes."""
    members = {"name": host, "time": time.time() if at is None else at, "cpu": 1.5, "ram": 20.25,
               "disk": 0.0, "cputemp": None, "mbtemp": None, "vms": list(vms)}
    members.update(more)
    return json.dumps(members, separators=(",", ":")).encode()


def vm(name, uuid, state=1, **more):
    members = {"name": name, "uuid": uuid, "state": state, "cpu": 0.5, "ram": 524288,
               "maxram": 1048576}
    members.update(more)
    return members


class Sender:
    """What an agent is for a collector."""

    def __init__(self, port, sequence=0):
        self.sequence = sequence
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))

    def send(self, text, sequence=None):
        """Sends with the number given, or with the next one."""
        if sequence is None:
            sequence = self.sequence
            self.sequence = (self.sequence + 1) % 2**32
        self.send_bytes(struct.pack(">I", sequence % 2**32) + text)

    def send_bytes(self, datagram):
        self.socket.send(datagram)

    def close(self):
        self.socket.close()


class Reader:
    """What a viewer is for a collector."""

    def __init__(self, port, receive_buffer=None, tls=None):
        """`tls` is a context of ssl; plain without."""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", port))
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.buffered = b""

    def exactly(self, count):
        while len(self.buffered) < count:
            got = self.socket.recv(1 << 20)
            if not got:
                raise EOFError("the collector closed the connection")
            self.buffered += got
        taken, self.buffered = self.buffered[:count], self.buffered[count:]
        return taken

    def message(self):
        """The next message: its type and its text."""
        length, kind = struct.unpack(">IB", self.exactly(5))
        return kind, self.exactly(length)

    def live(self):
        """The text of the next live sample; what else comes is skipped."""
        while True:
            kind, text = self.message()
            if kind == LIVE:
                return text

    def nothing_for(self, seconds):
        """Whether nothing at all comes for so long."""
        if self.buffered:
            return False
        self.socket.settimeout(seconds)
        try:
            self.buffered += self.socket.recv(1)
            return False
        except socket.timeout:
            return True
        finally:
            self.socket.settimeout(20)

    def close(self):
        self.socket.close()

"""Certificates for tests, made with the openssl command."""

import os
import subprocess
import time

DAY_S = 24 * 3600
# `openssl x509` can make none that has expired: since 3.4 it refuses days below 0. `openssl ca` wants a file.
AUTHORITY = """[ca]
default_ca = tests
[tests]
database = {place}/issued
serial = {place}/serial
new_certs_dir = {place}
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
"""
# Python since 3.13 refuses certificates that do not have what RFC 5280 asks for.
KEY_IDENTIFIERS = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


class Certificates:
    """All of them are files in one directory: NAME.crt and NAME.key."""

    def __init__(self, directory):
        self.directory = directory

    def path(self, name):
        return os.path.join(self.directory, name)

    def ca(self, name):
        openssl("req", "-x509", *CURVE, "-subj", f"/CN={name}", "-days", "2",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign",
                "-keyout", self.path(name + ".key"), "-out", self.path(name + ".crt"))
        return self.path(name + ".crt")

    def make(self, name, ca="ca", names="IP:127.0.0.1", days=2, file=None):
        """Gives the paths of certificate and key; days below 0: it has expired. A file that is there
        is replaced in one step, as an operator should."""
        files = [self.path((file or name) + end) for end in (".crt", ".key")]
        new = [file + ".new" for file in files]
        request, extension, authority = (self.path(name) for name in ("request", "extension", "authority"))
        openssl("req", *CURVE, "-subj", f"/CN={name}", "-keyout", new[1], "-out", request)
        for file_name, text in ((extension, f"subjectAltName={names}\n{KEY_IDENTIFIERS}"), (self.path("issued"), ""),
                                (authority, AUTHORITY.format(place=self.directory))):
            with open(file_name, "w", encoding="ascii") as out:
                out.write(text)
        begin, end = (time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + at * DAY_S))
                      for at in (min(0, days - 1), days))
        openssl("ca", "-batch", "-notext", "-create_serial", "-config", authority, "-in", request,
                "-cert", self.path(ca + ".crt"), "-keyfile", self.path(ca + ".key"), "-startdate", begin,
                "-enddate", end, "-extfile", extension, "-out", new[0])
        for old, made in zip(files, new):
            os.replace(made, old)
        return files

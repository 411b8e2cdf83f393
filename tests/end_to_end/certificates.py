"""Certificates for tests, made with the openssl command."""

import os
import subprocess

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
                "-keyout", self.path(name + ".key"), "-out", self.path(name + ".crt"))
        return self.path(name + ".crt")

    def make(self, name, ca="ca", names="IP:127.0.0.1", days=2, file=None):
        """Gives the paths of certificate and key; days below 0: it has expired. A file that is there
        is replaced in one step, as an operator should."""
        files = [self.path((file or name) + end) for end in (".crt", ".key")]
        new = [file + ".new" for file in files]
        request, extension = self.path("request"), self.path("extension")
        openssl("req", *CURVE, "-subj", f"/CN={name}", "-keyout", new[1], "-out", request)
        with open(extension, "w", encoding="ascii") as text:
            text.write(f"subjectAltName={names}\n")
        openssl("x509", "-req", "-in", request, "-CA", self.path(ca + ".crt"),
                "-CAkey", self.path(ca + ".key"), "-days", str(days), "-extfile", extension,
                "-out", new[0])
        for old, made in zip(files, new):
            os.replace(made, old)
        return files

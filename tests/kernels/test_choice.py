"""Which kernel is taken for the guests, of those that apt offers. apt and dpkg are stand-ins here."""

import os
import pathlib
import stat
import tempfile
import unittest
from unittest import mock

from lab import LabError, Missing
from lab import kernel as lab_kernel
from lab.kernel import cloud_kernel

# They say what is in the files `own` (this system's packages), `other` (another release's) and `calls`.
STANDINS = {
    # ... search --names-only PATTERN
    "apt-cache": '''for pattern; do :; done
        case "$*" in *sourcelist*) offered={0}/other ;; *) offered={0}/own ;; esac
        grep -E "$pattern" $offered
        exit 0''',
    "apt-get": '''echo "$*" >> {0}/calls
        case "$*" in
        *indextargets*) echo "Debian main http://mirror/debian"; echo "Debian-Security main http://no" ;;
        *update*) [ -s {0}/other ] || {{ echo "E: no network" >&2; exit 100; }} ;;
        *download*)
            seen=
            for name; do
                if [ "$seen" ]; then : > "${{name}}_1_amd64.deb"; fi
                [ "$name" = download ] && seen=1
            done ;;
        esac
        exit 0''',
    # -x FILE DIRECTORY
    "dpkg": '''version=$(basename "$2" | sed 's/linux-[a-z]*-//; s/_.*//')
        mkdir -p "$3/usr/lib/modules/$version" && : > "$3/usr/lib/modules/$version/vmlinuz"''',
}


def packages(*names):
    return "".join(f"{name}\n" for name in names)


class Choice(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        for name, text in STANDINS.items():
            (self.root / name).write_text("#!/bin/sh\n" + text.format(self.root) + "\n")
            (self.root / name).chmod(stat.S_IRWXU)
        path = f"{self.root}:{os.environ['PATH']}"
        keyring = self.root / "keyring"
        keyring.touch()
        for patch in (mock.patch.dict(os.environ, PATH=path), mock.patch.object(lab_kernel, "KEYRING", keyring)):
            patch.start()
            self.addCleanup(patch.stop)
        self.offer()

    def offer(self, own=(), other=()):
        (self.root / "own").write_text(packages(*own))
        (self.root / "other").write_text(packages(*other))

    def choose(self, wanted):
        return cloud_kernel(self.root / "cache", wanted=wanted).release

    def calls(self):
        return (self.root / "calls").read_text()

    def test_the_newest_of_a_series_by_number(self):
        self.offer(own=("linux-image-6.12.9+deb12-cloud-amd64", "linux-image-6.12.117+deb12-cloud-amd64"))
        self.assertEqual(self.choose("6.12"), "6.12.117+deb12-cloud-amd64")
        self.assertNotIn("update", self.calls(), "the system's own sources have it")

    def test_what_is_there_is_not_downloaded_again(self):
        self.offer(own=("linux-image-6.1.0-57-cloud-amd64",))
        self.choose("6.1")
        self.offer()
        self.assertEqual(self.choose("6.1"), "6.1.0-57-cloud-amd64")

    def test_another_release_is_asked_for_a_series_that_this_system_lacks(self):
        self.offer(own=("linux-image-6.1.0-57-cloud-amd64",), other=("linux-image-5.10.0-32-cloud-amd64",))
        self.assertEqual(self.choose("5.10"), "5.10.0-32-cloud-amd64")
        # Nothing of it is in the system's own directories.
        update = next(line for line in self.calls().splitlines() if " update" in line)
        for setting in ("Dir::Etc::sourcelist", "Dir::State::lists", "Dir::Cache"):
            self.assertIn(f"{setting}={self.root}/cache", update)
        self.assertIn("Dir::Etc::sourceparts=-", update)

    def test_the_newest_of_a_release_with_all_its_packages(self):
        version = "7.3.4+deb13-cloud-amd64"
        self.offer(other=(f"linux-image-{version}", f"linux-binary-{version}", f"linux-modules-{version}",
                          "linux-image-6.18.15+deb13-cloud-amd64"))
        self.assertEqual(self.choose("backports"), version)
        self.assertIn(f"download linux-binary-{version} linux-image-{version} linux-modules-{version}",
                      self.calls())

    def test_one_that_is_gone_is_said(self):
        self.offer(other=("linux-image-6.16.12+deb13-cloud-amd64",))
        with self.assertRaisesRegex(Missing, "6.16.12.* is older than 6.17"):
            self.choose("backports")
        with self.assertRaisesRegex(Missing, "no cloud kernel 6.17"):
            self.choose("6.17")
        version = "7.0.13+deb13-cloud-amd64"
        self.offer(other=(f"linux-image-{version}", f"linux-binary-{version}"))
        with self.assertRaisesRegex(Missing, "no cloud kernel 7.0 with its modules"):
            self.choose("7.0")

    def test_no_network_is_said(self):
        with self.assertRaisesRegex(LabError, "cannot list what sid has: E: no network"):
            self.choose("sid")


if __name__ == "__main__":
    unittest.main()

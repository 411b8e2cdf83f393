"""tools/install-dependencies, with an apt that only writes down what it is told."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

SCRIPT = pathlib.Path(__file__).parents[2] / "tools/install-dependencies"
GUARD = pathlib.Path("/usr/sbin/policy-rc.d")
PROGRAMS = {
    # Holds on while `directory`/hold is there, as a long installation does.
    "apt-get": """#!/bin/sh
echo "$@" >>{directory}/calls
case "$*" in *install*) while [ -e {directory}/hold ]; do sleep 0.05; done ;; esac
""",
    "apt-cache": """#!/bin/sh
if grep -qx "$2" {directory}/candidates; then echo "  Candidate: 1.0"; else echo "  Candidate: (none)"; fi
""",
    "dpkg-query": """#!/bin/sh
for last; do :; done
if grep -qx "$last" {directory}/installed; then echo installed; else exit 1; fi
""",
}


class InstallDependencies(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        shutil.copy(SCRIPT, self.directory)
        for name, text in PROGRAMS.items():
            program = self.directory / name
            program.write_text(text.format(directory=self.directory))
            program.chmod(0o755)
        self.write("dependencies", "build  old1.81|new-dev", "build  other", "test  unasked")
        self.write("candidates", "new-dev", "other")
        self.write("installed")
        GUARD.unlink(missing_ok=True)

    def write(self, name, *lines):
        (self.directory / name).write_text("".join(line + "\n" for line in lines))

    def start(self):
        return subprocess.Popen(
            [self.directory / "install-dependencies", "build"],
            env={**os.environ, "PATH": f"{self.directory}:{os.environ['PATH']}"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )

    def run_it(self):
        process = self.start()
        said, _ = process.communicate(timeout=30)
        return process.returncode, said

    def calls(self):
        path = self.directory / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def installed_now(self):
        return [word for call in self.calls() if " install " in f" {call} "
                for word in call.split(" install ")[1].split() if not word.startswith("-")]

    def test_the_first_alternative_with_a_candidate_is_taken(self):
        for candidates, wanted in ((("new-dev", "other"), "new-dev"),
                                   (("old1.81", "new-dev", "other"), "old1.81")):
            with self.subTest(candidates=candidates):
                self.write("calls")
                self.write("candidates", *candidates)
                self.assertEqual(self.run_it()[0], 0)
                self.assertEqual(self.installed_now(), [wanted, "other"])
                self.assertFalse(GUARD.exists())

    def test_an_alternative_that_is_installed_is_enough(self):
        self.write("installed", "new-dev", "other")
        self.write("candidates", "old1.81", "new-dev", "other")
        self.assertEqual(self.run_it(), (0, ""))
        self.assertEqual(self.calls(), [])

    def test_what_has_no_candidate_is_named_and_nothing_is_installed(self):
        self.write("candidates", "other")
        code, said = self.run_it()
        self.assertEqual(code, 1)
        self.assertIn("old1.81|new-dev", said)
        self.assertEqual(self.installed_now(), [])
        self.assertFalse(GUARD.exists())

    def test_a_signal_leaves_no_policy_behind(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(signal=number.name):
                self.write("calls")
                self.write("hold")
                process = self.start()
                end = time.monotonic() + 30
                while not self.installed_now():
                    self.assertLess(time.monotonic(), end, "it does not come to installing")
                    time.sleep(0.01)
                self.assertIn("exit 101", GUARD.read_text())
                os.killpg(process.pid, number)  # as a terminal does
                said, _ = process.communicate(timeout=30)
                self.assertEqual(process.returncode, 128 + number, said)
                self.assertFalse(GUARD.exists())

    def test_the_policy_of_a_run_that_was_killed_goes_with_the_next(self):
        self.write("hold")
        process = self.start()
        while not self.installed_now():
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        self.assertTrue(GUARD.exists())
        (self.directory / "hold").unlink()
        self.assertEqual(self.run_it()[0], 0)
        self.assertFalse(GUARD.exists())

    def test_the_policy_of_the_machine_is_kept(self):
        GUARD.write_text("#!/bin/sh\nexit 101\n")
        self.assertEqual(self.run_it()[0], 0)
        self.assertEqual(GUARD.read_text(), "#!/bin/sh\nexit 101\n")


def main():
    if os.geteuid() != 0 or not os.path.exists("/etc/debian_version"):
        print("skipped: needs root on Debian")
        sys.exit(77)
    if "--inside" not in sys.argv:
        # The machine's own /usr/sbin stays as it is: this sees one laid over it.
        with tempfile.TemporaryDirectory() as directory:
            sys.exit(subprocess.run(
                ["unshare", "--mount", "sh", "-c",
                 'mount -t tmpfs none "$0" && mkdir "$0/up" "$0/work" && mount -t overlay none -o '
                 '"lowerdir=/usr/sbin,upperdir=$0/up,workdir=$0/work" /usr/sbin || '
                 '{ echo "skipped: no overlay over /usr/sbin"; exit 77; }; exec "$@"',
                 directory, sys.executable, __file__, "--inside"], check=False).returncode)
    sys.argv.remove("--inside")
    unittest.main()


if __name__ == "__main__":
    main()

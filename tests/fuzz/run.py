#!/usr/bin/env python3
"""run.py PROGRAM CORPUS: a libFuzzer program for some seconds, beginning with what the corpus has.

What it finds beyond the corpus stays in a temporary directory; `PROGRAM -merge=1 CORPUS FOUND` adds
what reaches more code."""

import os
import subprocess
import sys
import tempfile

SECONDS = os.environ.get("VIRTPULSE_FUZZ_SECONDS", "4")


def main():
    program, corpus = sys.argv[1:]
    if not os.path.exists(program):
        print("skipped: no clang++ with libFuzzer was there when this was built")
        return 77
    with tempfile.TemporaryDirectory(prefix="virtpulse-fuzz-") as directory:
        done = subprocess.run(
            [program, f"-max_total_time={SECONDS}", "-max_len=66000", "-rss_limit_mb=1024",
             "-timeout=30", "-print_final_stats=1", f"-artifact_prefix={directory}/", directory,
             corpus], capture_output=True, text=True, errors="replace", check=False)
        lines = done.stderr.splitlines()
        print("\n".join(line for line in lines if line.startswith("stat::number_of_exec")))
        if done.returncode == 0:
            return 0
        print("\n".join(lines[-60:]))
        for name in os.listdir(directory):
            if name.startswith(("crash-", "oom-", "timeout-")):
                with open(os.path.join(directory, name), "rb") as file:
                    print(name, file.read()[:2000].hex())
        return 1


sys.exit(main())

"""Faults of the engine below `lockbox import`: GPGME calls that fail, programs that die, disks that are full."""

import os
import pathlib
import subprocess

SOURCE = pathlib.Path(__file__).resolve().parent / "gpgme_faults.cpp"


class GpgmeFaults:
    """tests/support/gpgme_faults.cpp, compiled in `folder`."""

    def __init__(self, folder):
        self._library = folder / "gpgme_faults.so"
        self._log = folder / "gpgme_calls"
        subprocess.run(["c++", "-std=c++20", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", self._library,
                        SOURCE, "-ldl"], check=True, timeout=120)

    def environment(self, kind, number):
        """For a program in which the fault happens; what the numbers mean says the source."""
        return {"LD_PRELOAD": str(self._library), "LOCKBOX_FAULT_KIND": kind, "LOCKBOX_FAULT": str(number),
                "LOCKBOX_FAULT_LOG": str(self._log),
                "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0:detect_leaks=0"}

    def calls(self):
        """The names of the calls since the last time this was asked."""
        lines = self._log.read_text(encoding="ascii").splitlines() if self._log.exists() else []
        self._log.unlink(missing_ok=True)
        return [line.split(" ", 1)[1] for line in lines]

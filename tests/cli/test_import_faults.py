"""lockbox import where the engine fails: a failure is no judgement. Nothing changes, and the exit status says so; or the
fault has made no difference, and the outcome is the one without it."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess

import pytest

from support.command import Command
from support.faults import GpgmeFaults
from support.gnupg import GnuPgHome

# sysexits(3): unavailable, software, OS error, I/O error, temporary failure.
FAILED = (69, 70, 71, 74, 75)
DORA, EMIL = "dora@example.org", "emil@example.org"


@pytest.fixture(scope="module")
def faults(tmp_path_factory):
    return GpgmeFaults(tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="module")
def exports():
    """Certificates at several moments of their lives."""
    with GnuPgHome() as gnupg:
        dora = gnupg.generate(f"Dora <{DORA}>", expire="2y")
        emil = gnupg.generate(f"Emil <{EMIL}>", algo="rsa2048", expire="2y")
        made = {"good": gnupg.export(DORA), "both": gnupg.run("--armor", "--export", DORA, EMIL)}
        gnupg.set_expire(dora, "4y")
        made["renewed"] = gnupg.export(DORA)
        gnupg.revoke(dora)
        made["revoked"] = gnupg.export(DORA)
        gnupg.revoke(emil)
        made["both revoked"] = gnupg.run("--armor", "--export", DORA, EMIL)
        yield made


# What is imported one after the other, the last of it with a fault.
SCENARIOS = {
    "a revocation": ["good", "revoked"],
    "a revoked certificate as it was before": ["good", "revoked", "good"],
    "a renewal": ["good", "renewed"],
    "a certificate that nobody knows": ["good"],
    "revocations of two": ["both", "both revoked"],
}


class Scenario:
    """A keyring as it is before an import, and what it is to be afterwards."""

    def __init__(self, folder, before, offered):
        self.folder = folder
        self._before = Command(folder / "before")
        self._before.folder.mkdir()
        for one in before:
            assert self._before.run("import", "-", input=one).status == 0
        self._input = offered
        wanted, _ = self.attempt({})
        assert wanted.status == 0, wanted
        self.wanted = wanted.text
        self.after = self._facts
        self.before_dump = self._dump(self._before.keyring)

    @staticmethod
    def _dump(keyring):
        if not keyring.exists():
            return []
        with contextlib.closing(sqlite3.connect(keyring)) as database:
            return list(database.iterdump())

    @staticmethod
    def facts(command):
        def without_times(value):
            if isinstance(value, dict):
                return {key: without_times(one) for key, one in value.items()
                        if key not in ("imported", "updated", "first_seen", "confirmed")}
            return [without_times(one) for one in value] if isinstance(value, list) else value
        return without_times(json.loads(command.run("list", "--json").out))

    def attempt(self, environment):
        """The result of the import into a copy of the keyring, and the copy."""
        folder = self.folder / "attempt"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._before.folder, folder)
        command = Command(folder)
        usual = command.environment()
        command.environment = lambda: {**usual, **environment}
        result = command.run("import", "-", input=self._input)
        command.environment = lambda: usual
        self._facts = self.facts(command) if command.keyring.exists() else None
        return result, command

    def wrong_with(self, environment):
        """What is wrong after an import with that fault; None: nothing."""
        result, command = self.attempt(environment)
        if result.status == 0:
            if result.text != self.wanted or self._facts != self.after:
                return f"the fault has changed the outcome: {result}\n{self._facts}"
            return None
        if result.status not in FAILED:
            return f"the exit status is that of no failure: {result}"
        if "lockbox: error: " not in result.err:
            return f"no error is reported: {result}"
        if self._dump(command.keyring) not in (self.before_dump, []) and not self._is_empty(command):
            return f"the keyring has changed: {result}"
        again = command.run("import", "-", input=self._input)
        if (again.status, again.text) != (0, self.wanted):
            return f"the import does not succeed once the fault is gone: {again}"
        return None

    def _is_empty(self, command):
        """An import makes the keyring before it judges."""
        return not self.before_dump and self.facts(command)["certificates"] == []


@pytest.fixture(params=SCENARIOS)
def scenario(request, tmp_path, exports):
    *before, offered = [exports[name] for name in SCENARIOS[request.param]]
    return Scenario(tmp_path, before, offered)


@pytest.fixture
def revocation(tmp_path, exports):
    return Scenario(tmp_path, [exports["good"]], exports["revoked"])


def all_wrong(scenario, faults, kind):
    """Each call fails once, as long as there are further ones. What is wrong, by call."""
    faults.calls()
    scenario.attempt(faults.environment(kind, 0))
    names = faults.calls()
    assert names
    wrong = {}
    for number, name in enumerate(names, 1):
        fault = scenario.wrong_with(faults.environment(kind, number))
        if fault is not None:
            wrong[f"{number} {name}"] = fault
    return wrong


def report(wrong):
    return "\n\n".join(f"{call}: {what}" for call, what in wrong.items())


def test_a_call_that_fails_changes_nothing(scenario, faults):
    wrong = all_wrong(scenario, faults, "before")
    assert not wrong, report(wrong)


@pytest.mark.parametrize("kind", ["after", "silent"])
def test_a_call_that_does_not_say_the_truth_about_itself_changes_nothing(revocation, faults, kind):
    wrong = all_wrong(revocation, faults, kind)
    assert not wrong, report(wrong)


def test_a_program_that_dies_changes_nothing(scenario, faults):
    wrong = all_wrong(scenario, faults, "exec")
    assert not wrong, report(wrong)


def test_gnupg_that_can_write_no_long_file_changes_nothing(scenario, faults):
    wrong = {}
    for octets in [0, 1, 100, *range(512, 6144, 512)]:
        fault = scenario.wrong_with(faults.environment("space", octets))
        if fault is not None:
            wrong[f"{octets} octets"] = fault
    assert not wrong, report(wrong)


@contextlib.contextmanager
def small_disk(folder, options):
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"{options},mode=1777", "lockbox-test", folder], check=True)
    try:
        yield {"TMPDIR": str(folder)}
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def can_mount(folder):
    if os.geteuid() != 0:
        return False
    try:
        with small_disk(folder, "size=4k"):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


@pytest.mark.parametrize("options", [*(f"size={kib}k" for kib in range(4, 100, 8)),
                                     *(f"size=10m,nr_inodes={inodes}" for inodes in range(1, 18, 2))])
def test_a_full_tmpdir_changes_nothing(revocation, tmp_path, options):
    if not can_mount(tmp_path / "disk"):
        pytest.skip("only root can mount a disk of that size")
    with small_disk(tmp_path / "disk", options) as environment:
        fault = revocation.wrong_with(environment)
    assert fault is None, fault

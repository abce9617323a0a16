"""GnuPG's gpgsm beside Lockbox: it opens what Lockbox seals, Lockbox opens with its keys, and what it seals."""

import os
import pathlib
import subprocess
import tempfile

import pytest

from support.command import Command
from support.smime import SmimeKeys

ERIN = "erin@example.org"
MESSAGE = b"From: alice@example.org\r\nTo: erin@example.org\r\nSubject: the plan\r\n\r\nGreetings.\r\n"

# Answers every question for a passphrase (gpg-agent's Assuan protocol).
PINENTRY = """#!/bin/sh
echo OK ready
while read -r line; do
    case $line in
    GETPIN*) echo D secret; echo OK ;;
    BYE*) echo OK; exit ;;
    *) echo OK ;;
    esac
done
"""


class Gpgsm:
    """A GnuPG home with Erin's S/MIME key, whose passphrase a pinentry of its own knows."""

    def __init__(self, keys):
        self._folder = tempfile.TemporaryDirectory(prefix="lbg", dir="/tmp")  # the agent's socket wants a short path
        self.path = pathlib.Path(self._folder.name)
        self.path.chmod(0o700)
        pinentry = self.path / "pinentry"
        pinentry.write_text(PINENTRY, encoding="ascii")
        pinentry.chmod(0o700)
        (self.path / "gpg-agent.conf").write_text(f"pinentry-program {pinentry}\n", encoding="ascii")
        (self.path / "gpgsm.conf").write_text("batch\nno-tty\ndisable-crl-checks\ndisable-policy-checks\n", encoding="ascii")
        authority = keys.fingerprint(keys.authority, "sha1")
        (self.path / "trustlist.txt").write_text(f"{authority} S relax\n", encoding="ascii")
        key = self.path / "key.p12"
        key.write_bytes(keys.pkcs12(ERIN, "-legacy", "-passout", "pass:secret"))  # gpgsm 2.2 reads no other
        self.run("--import", key)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        subprocess.run(["gpgconf", "--homedir", self.path, "--kill", "all"], check=False, capture_output=True)
        self._folder.cleanup()

    def environment(self):
        return {**os.environ, "GNUPGHOME": str(self.path), "LC_ALL": "C.UTF-8"}

    def run(self, *arguments, input=b""):
        done = subprocess.run(["gpgsm", *map(str, arguments)], input=input, capture_output=True, check=False,
                              timeout=120, env=self.environment())
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
        return done.stdout


@pytest.fixture(scope="module")
def keys():
    with SmimeKeys() as keys:
        keys.make(ERIN, "rsa2048")
        yield keys


@pytest.fixture(scope="module")
def gpgsm(keys):
    with Gpgsm(keys) as gpgsm:
        yield gpgsm


@pytest.fixture
def sealed(tmp_path, keys):
    command = Command(tmp_path)
    assert command.run("import", "--smime-ca", keys.authority, keys.certificate_of(ERIN)).status == 0
    result = command.run("encrypt", "--to", ERIN, input=MESSAGE)
    assert result.status == 0, result
    return result.out


def test_gpgsm_opens_what_lockbox_seals(gpgsm, sealed):
    payload = gpgsm.run("--assume-base64", "--decrypt", input=sealed.partition(b"\r\n\r\n")[2])
    head, _, body = payload.partition(b"\r\n\r\n")
    assert body == b"Greetings.\r\n"
    assert b"Subject: the plan" in head


def test_lockbox_opens_with_the_keys_of_gpgsm(tmp_path, gpgsm, sealed):
    result = Command(tmp_path, gpgsm).run("decrypt", input=sealed)
    assert result.status == 0, result
    assert b"\r\nSubject: the plan\r\n" in result.out
    assert result.out.endswith(b"\r\n\r\nGreetings.\r\n")
    assert "carries no integrity" in result.err


def test_lockbox_opens_what_gpgsm_seals(tmp_path, keys, gpgsm):
    cms = gpgsm.run("--base64", "--encrypt", "--recipient", ERIN, input=b"Content-Type: text/plain\r\n\r\nfrom gpgsm\r\n")
    result = Command(tmp_path).run("decrypt", "--key", keys.key_of(ERIN), "--certificate", keys.certificate_of(ERIN), input=cms)
    assert result.status == 0, result
    assert result.out.endswith(b"\r\n\r\nfrom gpgsm\r\n")

"""lockbox key: two commands from nothing to sealed mail, and certificates that others read."""

import base64
import os
import re
import stat
import subprocess

import pytest

from support.command import Command
from support.gnupg import GnuPgHome
from support.sealed import open_with_sq

BOB = "bob@example.org"
NOTE = b"From: alice@example.com\nTo: bob@example.org\nSubject: lunch\n\nNoodles?\n"


@pytest.fixture
def home():
    with GnuPgHome() as home:
        yield home


@pytest.fixture
def command(tmp_path, home):
    return Command(tmp_path, home)


def generate(command, *arguments):
    result = command.run("key", "generate", "--no-passphrase", *arguments)
    assert result.status == 0, result
    fingerprint = result.text.strip()
    assert re.fullmatch("[0-9A-F]{40}", fingerprint)
    return fingerprint, result


def packets(octets):
    return subprocess.run(["gpg", "--list-packets"], input=octets, capture_output=True, check=True, timeout=60).stdout.decode()


def test_two_commands(command, home, tmp_path):
    """Whoever has no key makes one, gives the certificate to others, and reads what they send."""
    fingerprint, said = generate(command, "--name", "Bob Example", BOB)
    for words in ("revocation certificate", "gpg --export-secret-keys", f"lockbox key export {fingerprint}", "no passphrase"):
        assert words in said.err
    revocation = re.search(r"is (/.*\.rev)", said.err).group(1)
    assert "-----BEGIN PGP PUBLIC KEY BLOCK-----" in open(revocation, encoding="utf-8").read()
    exported = command.run("key", "export", BOB)
    assert exported.status == 0, exported
    with GnuPgHome() as nobody:
        sender = Command(tmp_path, nobody)
        assert sender.run("import", "-", input=exported.out).status == 0
        sealed = sender.run("encrypt", "--to", BOB, input=NOTE).out
    assert b"Noodles" not in sealed
    assert b"Noodles?" in command.run("decrypt", input=sealed).out
    assert b"Subject:    lunch" in command.run("read", input=sealed).out
    del home


def test_what_the_key_is(command, home):
    """Ed25519 and Curve25519, three years, and nothing that asks for LibrePGP's packets (features 02)."""
    fingerprint, _ = generate(command, "--name", "Bob Example", BOB)
    listing = home.run("--with-colons", "--list-keys", fingerprint).decode()
    pub = next(line for line in listing.splitlines() if line.startswith("pub:")).split(":")
    sub = next(line for line in listing.splitlines() if line.startswith("sub:")).split(":")
    assert (pub[16], sub[16]) == ("ed25519", "cv25519")
    assert "e" in sub[11] and "e" not in pub[11].replace("E", "")
    for fields in (pub, sub):
        years = (int(fields[6]) - int(fields[5])) / 86400 / 365.25
        assert 2.99 < years < 3.01
    dump = packets(command.run("key", "export", BOB).out)
    for features in re.findall(r"features: ([0-9a-f]+)", dump):
        assert int(features, 16) & 2 == 0
    assert "Bob Example <bob@example.org>" in listing


def test_others_read_the_certificate(command, home, tmp_path):
    """sq and rnp encrypt to it, and the key opens what they made."""
    fingerprint, _ = generate(command, BOB)
    certificate = command.file("bob.pgp", command.run("key", "export", fingerprint).out)
    plain = command.file("plain", b"Noodles?\n")
    old = subprocess.run(["sq", "--version"], capture_output=True, check=False).returncode == 0
    by_sq = ["sq", "encrypt", "--recipient-cert", certificate, plain] if old else \
        ["sq", "--home", tmp_path / "sq", "encrypt", "--without-signature", "--for-file", certificate, plain]
    sealed = subprocess.run(by_sq, capture_output=True, check=True, timeout=60).stdout
    assert command.run("decrypt", input=sealed).out == b"Noodles?\n"
    subprocess.run(["rnp", "--keyfile", certificate, "--recipient", BOB, "--encrypt", "--output", tmp_path / "by-rnp", plain],
                   check=True, timeout=60, capture_output=True)
    assert command.run("decrypt", tmp_path / "by-rnp").out == b"Noodles?\n"
    secret = command.file("secret.asc", home.export_secret(fingerprint))
    assert open_with_sq(sealed, secret, tmp_path) == b"Noodles?\n"


def test_a_second_key_is_not_made_by_accident(command):
    fingerprint, _ = generate(command, BOB)
    again = command.run("key", "generate", "--no-passphrase", "Bob@EXAMPLE.org")
    assert (again.status, again.out) == (65, b"") and fingerprint in again.err
    other, _ = generate(command, "--another", BOB)
    ambiguous = command.run("key", "export", BOB)
    assert ambiguous.status == 64 and fingerprint in ambiguous.err and other in ambiguous.err
    assert command.run("key", "export", other).status == 0


@pytest.mark.parametrize("expires, days", [("never", 0), ("30d", 30), ("18m", 540), ("2099-01-31", None)])
def test_expiry(command, home, expires, days):
    fingerprint, _ = generate(command, "--expires", expires, BOB)
    fields = home.run("--with-colons", "--list-keys", fingerprint).decode().split("pub:")[1].split(":")
    if days == 0:
        assert fields[5] == ""
    elif days is not None:
        assert abs((int(fields[5]) - int(fields[4])) / 86400 - days) < 10


@pytest.mark.parametrize("arguments, status, words", [
    (["generate", "not an address"], 64, "not an address"), (["generate"], 64, "ADDRESS"), (["frobnicate", BOB], 64, "frobnicate"),
    (["generate", "--no-passphrase", "--expires", "soon", BOB], 64, "soon"),
    (["generate", "--no-passphrase", "--name", "x\n%commit", BOB], 64, "name"),
    (["export", "nobody@example.org"], 67, "nobody@example.org"), (["export", "0" * 40], 67, "0000"),
    (["export", "--direct", BOB], 64, "--wkd"), (["export", "--prefer-encrypt", BOB], 64, "--autocrypt")])
def test_bad_input(command, arguments, status, words):
    result = command.run("key", *arguments)
    assert (result.status, result.out) == (status, b""), result
    assert words in result.err


def test_without_an_agent(command, home):
    """Nobody can ask for a passphrase: no key is made."""
    home._write("gpg-agent.conf", "pinentry-program /nonexistent")
    home._write("gpg.conf", "batch", "no-tty")
    result = command.run("key", "generate", BOB)
    assert result.status in (69, 70, 77) and result.out == b"", result
    assert "no key was made" in result.err


def test_export_is_minimal(command, home):
    """Other User IDs, other subkeys, and what strangers signed stay at home; the secret key always does."""
    fingerprint, _ = generate(command, BOB)
    home.add_user_id(fingerprint, "Bob <bob@private.example>")
    home.add_subkey(fingerprint)
    newest = home.run("--with-colons", "--list-keys", fingerprint).decode().rstrip().splitlines()[-1].split(":")[9]
    octets = command.run("key", "export", BOB).out
    assert b"PRIVATE" not in octets
    dump = packets(octets)
    assert "private.example" not in dump and ":secret" not in dump
    with GnuPgHome() as other:
        other.import_key(octets)
        listing = other.run("--with-colons", "--list-keys").decode()
    assert listing.count("\nsub:") == 1 and newest in listing and listing.count("\nuid:") == 1


def test_autocrypt(command):
    """Autocrypt 1.1 §2.1."""
    generate(command, BOB)
    field = command.run("key", "export", "--autocrypt", "--prefer-encrypt", BOB).text
    assert all(len(line) <= 78 for line in field.splitlines())
    unfolded = re.sub(r"\n ", "", field).strip()
    match = re.fullmatch(r"Autocrypt: addr=bob@example.org; prefer-encrypt=mutual; keydata=([A-Za-z0-9+/=]+)", unfolded)
    assert [tag for tag in re.findall(r"^:([A-Za-z ]+) packet", packets(base64.b64decode(match.group(1))), re.MULTILINE)] == \
        ["public key", "user ID", "signature", "public sub key", "signature"]


def test_web_key_directory(command, tmp_path):
    """draft-koch-openpgp-webkey-service §3.1, with its example."""
    generate(command, "--name", "Joe", "Joe.Doe@Example.ORG")
    for options, below in (([], "example.org/"), (["--direct"], "")):
        root = tmp_path / f"www{len(options)}"
        root.mkdir()
        result = command.run("key", "export", "--wkd", root, *options, "Joe.Doe@Example.ORG")
        assert result.status == 0, result
        folder = root / ".well-known" / "openpgpkey" / below
        file = folder / "hu" / "iy9q119eutrkn8s1mk4r39qejnbu3n5q"
        assert stat.S_IMODE(file.stat().st_mode) == 0o644
        assert (folder / "policy").read_bytes() == b""
        assert "Joe <Joe.Doe@Example.ORG>" in packets(file.read_bytes()) or "example.org" in packets(file.read_bytes())
        assert not file.read_bytes().startswith(b"-----")


def test_web_key_directory_keeps_the_key_of_others(command, tmp_path):
    first, _ = generate(command, BOB)
    second, _ = generate(command, "--another", BOB)
    assert command.run("key", "export", "--wkd", tmp_path, first).status == 0
    refused = command.run("key", "export", "--wkd", tmp_path, second)
    assert refused.status == 65 and "another key" in refused.err
    assert command.run("key", "export", "--wkd", tmp_path, first).status == 0  # the same key may be renewed
    assert command.run("key", "export", "--wkd", tmp_path, "--replace", second).status == 0
    assert os.listdir(tmp_path / ".well-known" / "openpgpkey" / "example.org" / "hu")

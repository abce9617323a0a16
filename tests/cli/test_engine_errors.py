"""Why a message was not opened, as GnuPG's own programs let Lockbox know it: only failed authentication and broken structure are
the message's fault. Each cause is made with the real gpg, gpgsm and gpg-agent."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

from support.attacks import DAMAGED, NO_KEY, OPENED, PAYLOAD, SECRET, UNAVAILABLE
from support.command import Command, Result
from support.gnupg import GnuPgHome
from support.openpgp import Sealer, compressed, literal, packet, packets
from support.smime import SmimeKeys, openssl

BOB, ERIN, EVA, OTHER = "bob@example.org", "erin@example.org", "eva@example.org", "other@example.org"

# gpg-agent's question for a passphrase (Assuan), and an answer to it.
PINENTRY = """#!/bin/sh
echo OK ready
while read -r line; do
    case $line in
    GETPIN*) {answer} ;;
    BYE*) echo OK; exit ;;
    *) echo OK ;;
    esac
done
"""
RIGHT, WRONG, CANCEL = "echo D secret; echo OK", "echo D wrong; echo OK", 'echo "ERR 83886179 Operation cancelled <Pinentry>"'


class Home:
    """A copy of a GNUPGHOME with its own agent, which knows nothing yet."""

    def __init__(self, source):
        self._folder = tempfile.TemporaryDirectory(prefix="lbe", dir="/tmp")  # the agent's socket wants a short path
        self.path = pathlib.Path(self._folder.name) / "h"
        if source is None:
            self.path.mkdir(mode=0o700)
        else:
            shutil.copytree(source, self.path, ignore=lambda folder, names: [name for name in names if name.startswith("S.")])

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        subprocess.run(["gpgconf", "--homedir", self.path, "--kill", "all"], check=False, capture_output=True)
        self._folder.cleanup()

    def write(self, name, text, mode=0o600):
        path = self.path / name
        path.write_text(text, encoding="ascii")
        path.chmod(mode)
        return path

    def asks(self, answer):
        self.write("gpg-agent.conf", f"pinentry-program {self.write('pinentry', PINENTRY.format(answer=answer), 0o700)}\n")

    def environment(self):
        environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "GPG_TTY")}
        return {**environment, "GNUPGHOME": str(self.path), "LC_ALL": "C.UTF-8"}


def decrypt(home, folder, octets, *options):
    """`lockbox decrypt` as cron runs it: without a terminal."""
    command = Command(folder, home)
    done = subprocess.run([command.program, "decrypt", *map(str, options), command.file("message", octets)], check=False,
                          capture_output=True, timeout=120, env=command.environment(), stdin=subprocess.DEVNULL,
                          start_new_session=True)
    return Result(done.returncode, done.stdout, done.stderr)


def is_not_opened(result, status, *words):
    assert (result.status, result.out) == (status, b""), result
    for word in words:
        assert word in result.err, (word, result)
    assert ("forged" in result.err) == (status == DAMAGED and "damaged or forged" in words), result


# --- gpg ---

@pytest.fixture(scope="module")
def locked():
    """Bob's key, whose passphrase is "secret", and a message to it."""
    with GnuPgHome() as home:
        home.run("--passphrase", "secret", "--quick-generate-key", f"Bob <{BOB}>", "future-default", "default", "never")
        sealed = home.encrypt(PAYLOAD, BOB, armor=False)
        for name in ("gpg.conf", "gpg-agent.conf"):
            (pathlib.Path(home.path) / name).write_text("", encoding="ascii")
        yield pathlib.Path(home.path), sealed


def no_pinentry(home):
    home.write("gpg-agent.conf", "pinentry-program /nonexistent/pinentry\n")


def no_agent(home):
    home.write("gpg.conf", "agent-program /bin/false\n")
    home.write("gpgsm.conf", "agent-program /bin/false\n")


def no_autostart(home):
    home.write("gpg.conf", "no-autostart\n")
    home.write("gpgsm.conf", "no-autostart\n")


def too_long(home):
    """For a socket, whose path has at most 107 octets (unix(7))."""
    longer = home.path.parent / ("x" * 110)
    home.path.rename(longer)
    home.path = longer


def no_key(home):
    shutil.rmtree(home.path / "private-keys-v1.d")


CAUSES = {
    "nobody to ask": (lambda home: None, NO_KEY, "locked"),
    "cancelled": (lambda home: home.asks(CANCEL), NO_KEY, "not unlocked"),
    "wrong passphrase": (lambda home: home.asks(WRONG), NO_KEY, "not unlocked"),
    "no pinentry": (no_pinentry, NO_KEY, "locked"),
    "agent that does not start": (no_agent, UNAVAILABLE, "gpg-agent"),
    "agent that nobody may start": (no_autostart, UNAVAILABLE, "gpg-agent"),
    "socket with too long a path": (too_long, UNAVAILABLE, "gpg-agent"),
    "no secret key": (no_key, NO_KEY, "no secret key here"),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_key_of_gpg(tmp_path, locked, cause):
    spoil, status, words = CAUSES[cause]
    source, sealed = locked
    if cause == "socket with too long a path" and os.path.isdir(f"/run/user/{os.geteuid()}"):
        pytest.skip("sockets are in /run/user")
    with Home(source) as home:
        spoil(home)
        is_not_opened(decrypt(home, tmp_path, sealed), status, words)


def test_key_of_gpg_that_is_unlocked(tmp_path, locked):
    """What the others lack: one who answers."""
    source, sealed = locked
    with Home(source) as home:
        home.asks(RIGHT)
        result = decrypt(home, tmp_path, sealed)
        assert result.status == OPENED and SECRET in result.out, result


def test_no_gnupg_at_all_before(tmp_path, locked, bob_home):
    """Who has no certificate has no key, whether an agent runs or not; of hidden recipients, too."""
    hidden = bob_home.run("--hidden-recipient", BOB, "--encrypt", input=PAYLOAD)
    with Home(None) as home:
        for sealed in (locked[1], hidden):
            is_not_opened(decrypt(home, tmp_path, sealed), NO_KEY, "no secret key here")


@pytest.mark.parametrize("answer", [CANCEL, WRONG], ids=["cancelled", "wrong"])
@pytest.mark.parametrize("order", ["key first", "passphrase first"])
def test_passphrase_beside_a_key(tmp_path, bob_home, order, answer):
    """RFC 9580 §10.3: the order means nothing; who has the key needs no passphrase."""
    octets = bob_home.run("--passphrase", "secret", "--recipient", BOB, "--symmetric", "--encrypt", input=PAYLOAD)
    keys = {tag: whole for tag, _, whole in packets(octets) if tag in (1, 3)}
    container = octets[sum(map(len, keys.values())):]
    first, second = (1, 3) if order == "key first" else (3, 1)
    with Home(bob_home.path) as home:
        home.write("gpg.conf", "")
        home.asks(answer)
        result = decrypt(home, tmp_path, keys[first] + keys[second] + container)
        assert result.status == OPENED and SECRET in result.out, result
        is_not_opened(decrypt(home, tmp_path, keys[3] + container), NO_KEY, "not unlocked")


# What GnuPG up to 2.4 does not read (RFC 9580): it is there, and nothing says that it is forged.
RANDOM = bytes((n * 37 + 11) % 256 for n in range(32 + 16 + 40))
SEIPD2 = packet(18, b"\x02\x09\x02\x06" + RANDOM)
PKESK6 = packet(1, b"\x06\x21\x06" + RANDOM[:32] + b"\x19" + RANDOM[:32] + b"\x28" + RANDOM[:40])
SKESK6 = packet(3, bytes([6, 37, 9, 2, 18, 3, 8]) + RANDOM[:8] + b"\xff" + RANDOM[:15] + RANDOM[:48])
SIGNATURE6 = packet(2, b"\x06\x00\x1b\x0a" + bytes(8) + b"\xab\xcd\x20" + bytes(32 + 64))
ONE_PASS6 = packet(4, b"\x06\x00\x0a\x1b\x20" + bytes(32 + 32) + b"\x01")


@pytest.fixture(scope="module")
def sealer(bob_home):
    return Sealer(bob_home, BOB)


def _changed(octets, at):
    return octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1:]


def _nested(depth):
    octets = literal(PAYLOAD)
    for _ in range(depth):
        octets = compressed(octets)
    return octets


FORMS = {
    "SEIPD of version 2": (lambda s: s.pkesk + SEIPD2, UNAVAILABLE, "does not read"),
    "PKESK of version 6": (lambda s: PKESK6 + SEIPD2, UNAVAILABLE, "does not read"),
    "SKESK of version 6": (lambda s: SKESK6 + SEIPD2, UNAVAILABLE, "does not read"),
    "key and passphrase": (lambda s: s.pkesk + SKESK6 + SEIPD2, UNAVAILABLE, "does not read"),
    "signature of version 6": (lambda s: s.seal(ONE_PASS6 + literal(PAYLOAD) + SIGNATURE6), UNAVAILABLE,
                               "a signature of version 6"),
    "unknown compression": (lambda s: s.seal(packet(8, b"\x09abc")), UNAVAILABLE, "compressed with algorithm 9"),
    "unknown AEAD": (lambda s: s.pkesk + packet(20, b"\x01\x09\x07\x06" + RANDOM), UNAVAILABLE, "does not read"),
    "changed in its first block": (lambda s: _changed(s.seal(literal(PAYLOAD)), len(s.pkesk) + 10), DAMAGED, "damaged or forged"),
    "changed at its end": (lambda s: _changed(s.seal(literal(PAYLOAD)), -1 + len(s.seal(literal(PAYLOAD)))), DAMAGED,
                           "damaged or forged"),
    "changed signature of version 6": (lambda s: _changed(s.seal(ONE_PASS6 + SIGNATURE6), len(s.pkesk) + 100), DAMAGED,
                                       "damaged or forged"),
    "changed session key": (lambda s: _changed(s.seal(literal(PAYLOAD)), len(s.pkesk) - 1), DAMAGED, "damaged or forged"),
    "nested without end": (lambda s: s.seal(_nested(40)), DAMAGED, "no OpenPGP message"),
    "cut": (lambda s: s.seal(literal(PAYLOAD))[:-5], DAMAGED, "not one whole encrypted message"),
    "cut in its session key": (lambda s: s.pkesk + b"\xd2", DAMAGED, "not one whole encrypted message"),
}


@pytest.mark.parametrize("form", FORMS)
def test_form(tmp_path, bob_home, sealer, form):
    make, status, words = FORMS[form]
    is_not_opened(decrypt(bob_home, tmp_path, make(sealer)), status, words)


# --- gpgsm ---

@pytest.fixture(scope="module")
def people():
    with SmimeKeys() as keys:
        keys.make(ERIN, "rsa2048")
        keys.make(EVA, "p256")
        keys.make(OTHER, "rsa2048")
        yield keys


@pytest.fixture(scope="module")
def gpgsm(people):
    """Erin's key, whose passphrase is "secret", in a gpgsm."""
    with Home(None) as home:
        home.asks(RIGHT)
        home.write("gpgsm.conf", "batch\nno-tty\ndisable-crl-checks\ndisable-policy-checks\n")
        home.write("trustlist.txt", f"{people.fingerprint(people.authority, 'sha1')} S relax\n")
        key = home.path / "key.p12"
        key.write_bytes(people.pkcs12(ERIN, "-legacy", "-passout", "pass:secret"))  # gpgsm 2.2 reads no other
        subprocess.run(["gpgsm", "--import", key], check=True, capture_output=True, timeout=120, env=home.environment())
        yield home.path


def sealed(people, *options, to=ERIN, more=()):
    return openssl("cms", "-encrypt", "-binary", "-outform", "DER", *options,
                   *(["-recip", people.certificate_of(to)] if to else []), *more, input=PAYLOAD)


@pytest.mark.parametrize("cause", [cause for cause in CAUSES if cause != "socket with too long a path"])
def test_key_of_gpgsm(tmp_path, people, gpgsm, cause):
    spoil, status, words = CAUSES[cause]
    with Home(gpgsm) as home:
        home.write("gpg-agent.conf", "")
        spoil(home)
        is_not_opened(decrypt(home, tmp_path, sealed(people, "-aes256")), status, "locked" if words == "not unlocked" else words)


def test_key_of_somebody_else(tmp_path, people, gpgsm):
    with Home(gpgsm) as home:
        is_not_opened(decrypt(home, tmp_path, sealed(people, "-aes256", to=OTHER)), NO_KEY, "no secret key here")
    with Home(None) as home:
        for cipher in ("-aes256", "-aes-256-gcm"):
            is_not_opened(decrypt(home, tmp_path, sealed(people, cipher)), NO_KEY, "no secret key here")


UNCOMMON = {
    "GCM": (["-aes-256-gcm"], [], "AES-256-GCM"),
    "subject key identifier": (["-aes256", "-keyid"], [], "subject key identifier"),
    "OAEP": (["-aes256"], ["-keyopt", "rsa_padding_mode:oaep"], "RSA-OAEP"),
}


@pytest.mark.parametrize("form", UNCOMMON)
def test_form_that_gpgsm_may_not_read(tmp_path, people, gpgsm, form):
    """One day it will; until then its key in a file opens them."""
    options, more, words = UNCOMMON[form]
    octets = sealed(people, *options, more=more)
    with Home(gpgsm) as home:
        result = decrypt(home, tmp_path, octets)
        if result.status != OPENED:
            is_not_opened(result, UNAVAILABLE, "the gpgsm here does not read", words, "--key")
        result = decrypt(home, tmp_path, octets, "--key", people.key_of(ERIN), "--certificate", people.certificate_of(ERIN))
        assert result.status == OPENED and SECRET in result.out, result


def _put_key(home, key, certificate):
    """A key of NIST P-256 for gpg-agent, without passphrase: gpgsm 2.2 crashes when it imports one."""
    subprocess.run(["gpgsm", "--import", certificate], check=True, capture_output=True, timeout=120, env=home.environment())
    listing = subprocess.run(["gpgsm", "--with-colons", "--with-keygrip", "--list-keys", EVA], check=True, capture_output=True,
                             timeout=120, env=home.environment()).stdout.decode("utf-8", "replace")
    grip = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("grp:"))
    text = openssl("ec", "-in", key, "-noout", "-text").decode("ascii").replace("\n", "")
    secret, point = (bytes.fromhex(re.sub(r"[\s:]", "", re.search(pattern, text).group(1)))
                     for pattern in ("priv:([\\s0-9a-f:]+)pub:", "pub:([\\s0-9a-f:]+)ASN1"))
    folder = home.path / "private-keys-v1.d"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / f"{grip}.key").write_bytes(
        b"(11:private-key(3:ecc(5:curve10:NIST P-256)(1:q%d:%s)(1:d%d:%s)))" % (len(point), point, len(secret), secret))


@pytest.mark.parametrize("cipher", ["-aes256", "-aes-256-gcm"])
def test_elliptic_curve_through_gpgsm(tmp_path, people, gpgsm, cipher):
    """The key is here; gpgsm 2.2 says that it is not."""
    octets = sealed(people, cipher, to=EVA)
    with Home(gpgsm) as home:
        _put_key(home, people.key_of(EVA), people.certificate_of(EVA))
        result = decrypt(home, tmp_path, octets)
        if result.status != OPENED:
            is_not_opened(result, UNAVAILABLE, "the gpgsm here does not read", "elliptic curve" if cipher == "-aes256" else "GCM")


def test_cipher_that_lockbox_does_not_open(tmp_path, people, gpgsm):
    with Home(gpgsm) as home:
        is_not_opened(decrypt(home, tmp_path, sealed(people, "-camellia256")), UNAVAILABLE, "does not open")


def test_passphrase_through_gpgsm(tmp_path, people, gpgsm):
    with Home(gpgsm) as home:
        octets = sealed(people, "-aes256", "-pwri_password", "secret", to=None)
        is_not_opened(decrypt(home, tmp_path, octets), UNAVAILABLE, "a passphrase")


def test_damaged_through_gpgsm(tmp_path, people, gpgsm):
    """CBC has nothing that authenticates it: only its padding and the session key can turn out wrong."""
    octets = sealed(people, "-aes256")
    session_key = octets.find(bytes.fromhex("06092a864886f70d010101")) + 40
    with Home(gpgsm) as home:
        is_not_opened(decrypt(home, tmp_path, _changed(octets, session_key)), DAMAGED, "damaged or forged")

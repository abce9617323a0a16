"""Fixtures: the real command with a keyring of its own, and the GnuPG homes of its users."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.command import Command  # noqa: E402
from support.attacks import PAYLOAD  # noqa: E402
from support.gnupg import GnuPgHome  # noqa: E402
from support.mime import pgp_mime  # noqa: E402
from support.smime import SmimeKeys  # noqa: E402


@pytest.fixture(scope="session")
def bob_home():
    """Bob, who reads mail: one ordinary key."""
    with GnuPgHome() as home:
        home.generate("Bob Example <bob@example.org>")
        yield home


@pytest.fixture(scope="session")
def carol_home():
    """Carol, with an RSA key."""
    with GnuPgHome() as home:
        home.generate("Carol Example <carol@example.org>", algo="rsa2048")
        yield home


@pytest.fixture(scope="session")
def smime_keys():
    """One authority, and S/MIME keys of those who write and read."""
    with SmimeKeys() as keys:
        for address in ("alice@example.com", "bob@example.org", "mallory@example.net"):
            keys.make(address, "rsa2048")
        yield keys


@pytest.fixture
def key_options(smime_keys, tmp_path):
    """How Bob names his S/MIME key."""
    key = tmp_path / "bob.key.pem"
    key.write_bytes(smime_keys.key_of("bob@example.org").read_bytes() +
                    smime_keys.certificate_of("bob@example.org").read_bytes())
    key.chmod(0o600)
    return ["--key", key]


@pytest.fixture(scope="session")
def sealed(bob_home):
    """Seals a payload to Bob: PGP/MIME, as one entity."""
    return lambda payload=PAYLOAD: pgp_mime(bob_home.encrypt(payload, "bob@example.org"))


@pytest.fixture
def lockbox(tmp_path, bob_home):
    """The command as Bob runs it, with an empty place for a keyring."""
    return Command(tmp_path, bob_home)


@pytest.fixture
def filled(lockbox, bob_home, carol_home):
    """The same, with Bob's and Carol's certificates imported."""
    lockbox.import_from(bob_home, "bob@example.org")
    lockbox.import_from(carol_home, "carol@example.org")
    return lockbox

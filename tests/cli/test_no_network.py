"""Opening and reading use no network, whatever the configuration of GnuPG asks for: a key server would learn who reads what, and when."""

import contextlib
import socket
import threading

import pytest

from support import cms
from support.attacks import read
from support.command import Command
from support.gnupg import GnuPgError, GnuPgHome
from support.mime import HEADER, detached, pgp_mime

ALICE = "alice@example.com"
BOB = "bob@example.org"
ENTITY = b"Content-Type: text/plain\r\n\r\nsigned\r\n"


class KeyServer:
    """Answers nobody, and counts who comes."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.calls = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.calls += 1
                connection.close()

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def key_server():
    server = KeyServer()
    yield server
    server.close()


@pytest.fixture
def curious(key_server, bob_home):
    """Bob's keys in a home that fetches whatever it does not have."""
    with GnuPgHome() as home:
        home.import_key(bob_home.export_secret(BOB))
        server = f"keyserver hkp://127.0.0.1:{key_server.port}"
        home._write("gpg.conf", "batch", "no-tty", "trust-model always", "auto-key-retrieve", "auto-key-locate keyserver",
                    "keyserver-options auto-key-retrieve,honor-keyserver-url", "pinentry-mode loopback", server)
        home._write("dirmngr.conf", server, "connect-timeout 2", "connect-quick-timeout 2")
        yield home


@pytest.fixture
def strangers_signature(tmp_path):
    with GnuPgHome() as home:
        return home.run("--armor", "--detach-sign", "--local-user", home.generate(f"Alice <{ALICE}>"), input=ENTITY)


def test_gpg_would_ask_a_key_server(curious, key_server, strangers_signature, tmp_path):
    """What the next test rests on."""
    (tmp_path / "signed").write_bytes(ENTITY)
    (tmp_path / "signature").write_bytes(strangers_signature)
    with pytest.raises(GnuPgError):
        curious.run("--verify", str(tmp_path / "signature"), str(tmp_path / "signed"))
    assert key_server.calls > 0


@pytest.mark.parametrize("sealed", [False, True], ids=["signed", "sealed"])
def test_an_unknown_signer_is_not_looked_for(curious, key_server, strangers_signature, bob_home, tmp_path, sealed):
    signed = detached(ENTITY.replace(b"\r\n", b"\n"), strangers_signature)
    message = HEADER + (pgp_mime(bob_home.encrypt(signed.replace(b"\n", b"\r\n"), BOB)) if sealed else signed)
    result = read(Command(tmp_path, curious), message, "--json")
    assert result.status == 0 and [entry["state"] for entry in result.json["signatures"]] == ["unknown"], result
    assert key_server.calls == 0


def test_the_lists_that_a_certificate_names_are_not_fetched(key_server, smime_keys, bob_home, tmp_path):
    """A CRL distribution point, an OCSP responder, and where the issuer's certificate is to be had."""
    url = f"http://127.0.0.1:{key_server.port}/x"
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    cms.openssl("req", "-x509", "-noenc", "-days", "365", "-subj", f"/CN={ALICE}", "-newkey", "rsa:2048", "-keyout", key, "-out", certificate,
                "-CA", smime_keys.authority, "-CAkey", smime_keys.path / "authority.key", "-addext", f"subjectAltName=email:{ALICE}",
                "-addext", "keyUsage=digitalSignature", "-addext", f"crlDistributionPoints=URI:{url}",
                "-addext", f"authorityInfoAccess=OCSP;URI:{url},caIssuers;URI:{url}")
    message = tmp_path / "signed.eml"
    cms.openssl("cms", "-sign", "-signer", certificate, "-inkey", key, "-from", ALICE, "-out", message, input=ENTITY)
    command = Command(tmp_path, bob_home)
    for options in (["--smime-ca", smime_keys.authority], []):
        result = command.run("read", "--json", *options, message)
        assert [entry["state"] for entry in result.json["signatures"]] == ["good" if options else "unvouched"], result
    assert key_server.calls == 0

"""The signed and encrypted messages of RFC 9788, Appendix C.3, opened with the keys of RFC 9216."""

import email
import email.policy
import re
import subprocess

import pytest

from support import places
from support.command import Command

DATA = places.SOURCE / "tests" / "data" / "smime"
KEYS = DATA / "rfc9216"
VECTORS = DATA / "rfc9788"
PROTECTED = ["c.3.1", "c.3.2", "c.3.3", "c.3.4", "c.3.5", "c.3.8", "c.3.16"]
OLD_SCHEME = "c.3.17"  # message/rfc822 inside, as RFC 8551 §3.1 had it


@pytest.fixture
def command(tmp_path):
    return Command(tmp_path)


def payload_of(name):
    """The Cryptographic Payload that the RFC prints."""
    return (VECTORS / f"{name}.payload").read_bytes()


def fields_of(octets):
    """The fields of a header section, unfolded, as (name, body) in their order."""
    head = octets.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    return [tuple(part.strip() for part in re.sub(r"\n(?=[ \t])", "", field).split(":", 1))
            for field in re.split(r"\n(?![ \t])", head.decode())]


def body_of(octets):
    return octets.replace(b"\r\n", b"\n").partition(b"\n\n")[2]


def without_parameters_of_protection(name, body):
    return re.sub(r';\s*hp(-legacy-display)?="[^"]*"', "", body) if name == "Content-Type" else body


def without_legacy_display(name, body):
    """RFC 9788 §4.5.3: of a text the lines up to the first empty one, of HTML the div of that class."""
    if "hp-legacy-display" in dict(fields_of(payload_of(name)))["Content-Type"]:
        return body.split(b"\n\n", 1)[1]
    body = re.sub(rb'(text/plain; charset="us-ascii");\n hp-legacy-display="1"\n\n.*?\n\n', rb"\1\n\n", body, flags=re.DOTALL)
    body = re.sub(rb';\n hp-legacy-display="1"', b"", body)
    return re.sub(rb'<div class="header-protection-legacy-display">.*?</div>', b"", body, flags=re.DOTALL)


def opened(command, name, *arguments):
    key = command.file("bob.pem", (KEYS / "bob-decrypt.key").read_bytes() + (KEYS / "bob-encrypt.pem").read_bytes())
    key.chmod(0o600)
    result = command.run("decrypt", "--key", key, *arguments, VECTORS / f"{name}.eml")
    assert result.status == 0, result
    return result


@pytest.mark.parametrize("name", [*PROTECTED, OLD_SCHEME])
def test_the_payload_is_what_openssl_opens(name):
    message = email.message_from_bytes((VECTORS / f"{name}.eml").read_bytes())

    def openssl(*arguments, octets):
        return subprocess.run(["openssl", "cms", *map(str, arguments)], input=octets, capture_output=True, check=True,
                              timeout=60).stdout

    signed = openssl("-decrypt", "-inform", "DER", "-inkey", KEYS / "bob-decrypt.key", "-recip", KEYS / "bob-encrypt.pem",
                     octets=message.get_payload(decode=True))
    assert openssl("-verify", "-CAfile", KEYS / "ca-rsa.pem", octets=signed) == payload_of(name)


@pytest.mark.parametrize("name", PROTECTED)
def test_the_protected_fields_are_restored(command, name):
    result = opened(command, name)
    expected = {(field, without_parameters_of_protection(field, body)) for field, body in fields_of(payload_of(name))
                if field != "HP-Outer"}
    assert set(fields_of(result.out)) == expected
    assert len(fields_of(result.out)) == len(expected)  # none twice
    assert body_of(result.out) == without_legacy_display(name, body_of(payload_of(name)))
    assert b"legacy-display" not in result.out
    assert "the header fields are those that were sealed in" in result.err


@pytest.mark.parametrize("name", ["c.3.3", "c.3.4", "c.3.8", "c.3.16"])
def test_what_hcp_shy_hid_comes_from_inside(command, name):
    """RFC 9788 §3.2.2: outside, names are removed and the time zone is UTC."""
    outside = dict(fields_of((VECTORS / f"{name}.eml").read_bytes()))
    inside = dict(fields_of(opened(command, name).out))
    assert (outside["Subject"], outside["From"], outside["To"]) == ("[...]", "alice@smime.example", "bob@smime.example")
    assert outside["Date"].endswith("+0000")
    assert (inside["From"], inside["To"]) == ("Alice <alice@smime.example>", "Bob <bob@smime.example>")
    assert inside["Subject"].startswith("smime-signed-enc-") and inside["Date"].endswith("-0500")


@pytest.mark.parametrize("name", [*PROTECTED, OLD_SCHEME])
def test_the_signature_is_verified(command, name):
    said = opened(command, name, "--smime-ca", KEYS / "ca-rsa.pem").err
    assert "signature by CN=Alice Lovelace,OU=LAMPS WG,O=IETF: good signature; its chain is good" in said
    assert "its certificate is for alice@smime.example" in said
    assert "warning" not in said
    assert "not among yours" in opened(command, name, "--smime-ca", DATA / "root.pem").err


def test_alice_reads_her_own_copy(command):
    """Each vector is sealed to its sender, too."""
    key = command.file("alice.pem", (KEYS / "alice-decrypt.key").read_bytes() + (KEYS / "alice-encrypt.pem").read_bytes())
    key.chmod(0o600)
    result = command.run("decrypt", "--key", key, VECTORS / "c.3.1.eml")
    assert result.status == 0 and body_of(result.out) == body_of(payload_of("c.3.1")), result


def test_the_key_of_somebody_else_opens_nothing(command):
    key = command.file("other.pem", (DATA / "alice.key").read_bytes() + (DATA / "alice.pem").read_bytes())
    key.chmod(0o600)
    result = command.run("decrypt", "--key", key, VECTORS / "c.3.1.eml")
    assert (result.status, result.out) == (77, b""), result
    # Bob's serial number, as `openssl x509 -serial` prints it.
    assert "307C47400F86263A1C62D2EB832F96C0D78694" in result.err


def test_the_old_scheme_stays_what_it_is(command):
    """RFC 9788 §4.10: a message in the message. Nothing says that its fields are those of the whole one."""
    result = opened(command, OLD_SCHEME)
    fields = dict(fields_of(result.out))
    assert (fields["Subject"], fields["Content-Type"]) == ("[...]", "message/rfc822")
    assert body_of(result.out) == body_of(payload_of(OLD_SCHEME))
    inner = email.message_from_bytes(result.out, policy=email.policy.default).get_payload(0)
    assert inner["Subject"] == "smime-enc-signed-complex-rfc8551hp-baseline"
    assert "those that were sealed in" not in result.err

"""The messages of RFC 9788, Appendix C.2 (signed) and C.3 (signed and encrypted), with the keys of RFC 9216."""

import email
import email.policy
import json
import re
import subprocess

import pytest

from support import places
from support.command import Command

DATA = places.SOURCE / "tests" / "data" / "smime"
KEYS = DATA / "rfc9216"
VECTORS = DATA / "rfc9788"
PROTECTED = [f"c.3.{number}" for number in range(1, 17)]
SHY = ["c.3.3", "c.3.4", "c.3.7", "c.3.8", "c.3.11", "c.3.12", "c.3.15", "c.3.16"]
OLD_SCHEME = "c.3.17"  # message/rfc822 inside, as RFC 8551 §3.1 had it
SIGNED = ["c.2.1", "c.2.2", "c.2.3", "c.2.4"]
SIGNED_OLD_SCHEME = ["c.2.5", "c.2.6"]


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


@pytest.mark.parametrize("name", SHY)
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


def seen(command, message):
    """What `lockbox read` shows of a message: it is not sealed, and signed by Alice."""
    result = command.run("read", "--json", "--smime-ca", KEYS / "ca-rsa.pem", message)
    assert result.status == 0, result
    found = json.loads(result.out)
    assert (found["outcome"], [entry["proves_sender"] for entry in found["signatures"]]) == ("nothing-to-open", [True])
    return found


def with_another_header(command, name, *changes):
    """A signed message to whose header section somebody did something on its way."""
    head, empty_line, body = (VECTORS / f"{name}.eml").read_bytes().partition(b"\n\n")
    for old, new in changes:
        assert old in head
        head = head.replace(old, new)
    return command.file(f"{name}.changed.eml", head + empty_line + body)


@pytest.mark.parametrize("name", [*SIGNED, *SIGNED_OLD_SCHEME])
def test_openssl_verifies_what_is_only_signed(name):
    message = VECTORS / f"{name}.eml"
    arguments = ["-in", message] if name in ("c.2.2", "c.2.4", "c.2.6") else ["-inform", "DER"]
    octets = email.message_from_bytes(message.read_bytes()).get_payload(decode=True)
    result = subprocess.run(["openssl", "cms", "-verify", *map(str, arguments), "-CAfile", KEYS / "ca-rsa.pem"],
                            input=octets, capture_output=True, check=True, timeout=60)
    assert result.stdout == payload_of(name)


@pytest.mark.parametrize("name", [*SIGNED, *SIGNED_OLD_SCHEME])
def test_what_is_only_signed_is_shown_and_said_to_be_not_sealed(command, name):
    found = seen(command, VECTORS / f"{name}.eml")
    assert found["header_was_protected"] == (name in SIGNED)
    assert found["header"]["subject"] == email.message_from_bytes((VECTORS / f"{name}.eml").read_bytes())["Subject"]
    assert found["header"]["subject"] in found["texts"][0]["text"]
    assert command.run("decrypt", VECTORS / f"{name}.eml").status == 1


@pytest.mark.parametrize("name", SIGNED)
def test_of_a_signed_message_the_fields_are_those_that_the_signature_covers(command, name):
    """RFC 9788 §4: whatever a mailing list or somebody else made of them outside."""
    subject = email.message_from_bytes((VECTORS / f"{name}.eml").read_bytes())["Subject"]
    changed = with_another_header(command, name, (f"Subject: {subject}".encode(), b"Subject: Pay at once"),
                                  (b"To: Bob", b"Cc: Carol <carol@example.org>\nTo: Bob"),
                                  (b"12:0", b"23:5") if b"12:0" in (VECTORS / f"{name}.eml").read_bytes() else (b"10:0", b"23:5"))
    found = seen(command, changed)
    assert found["header"] == seen(command, VECTORS / f"{name}.eml")["header"]
    assert (found["header"]["subject"], found["header"]["cc"]) == (subject, None)
    assert "the Cc field outside was left out: it is not among the protected ones" in found["warnings"]
    page = command.run("read", "--smime-ca", KEYS / "ca-rsa.pem", changed).out
    assert b"Pay at once" not in page and b"carol" not in page
    if name in ("c.2.2", "c.2.4"):  # stays as it is, so nothing was left out
        assert "left out" not in command.run("decrypt", changed).err


@pytest.mark.parametrize("name", SIGNED)
def test_another_from_outside_is_not_covered_up(command, name):
    changed = with_another_header(command, name, (b"From: Alice <alice@smime.example>", b"From: Mallory <mallory@example.com>"))
    result = command.run("read", "--json", "--smime-ca", KEYS / "ca-rsa.pem", changed)
    found = json.loads(result.out)
    assert [entry["proves_sender"] for entry in found["signatures"]] == [False]
    assert found["header"]["from"] == "Mallory <mallory@example.com>"
    assert any("alice@smime.example" in warning for warning in found["warnings"])


def test_fields_under_a_broken_signature_are_nobodys(command):
    """The signed part of a multipart/signed message, changed: what it says of the header section is worth nothing."""
    octets = (VECTORS / "c.2.2.eml").read_bytes()
    head, empty_line, body = octets.partition(b"\n\n")
    changed = command.file("changed.eml", head + empty_line + body.replace(b"Subject: smime-multipart-hp", b"Subject: Pay at once"))
    found = json.loads(command.run("read", "--json", "--smime-ca", KEYS / "ca-rsa.pem", changed).out)
    assert (found["header"]["subject"], found["header_was_protected"]) == ("smime-multipart-hp", False)
    assert [entry["state"] for entry in found["signatures"]] == ["bad"]

"""scope = incoming: what arrives for the mailboxes of a domain is sealed to their owners before it is stored."""

import re
import subprocess

import pytest

from conftest import ALICE, BOB, CAROL
from support import messages
from support.dkim_key import DkimKey
from support.milter import Milter
from support.opendkim import OpenDkim
from support.postfix import Postfix
from support.sealed import Delivered, check_form, check_nothing_leaks
from support.smtp_client import SmtpClient
from support.waiting import wait_for
from test_snippets import CONTRIB, blocks

OUTSIDE = "192.0.2.77"         # a client of nobody's own network
ERIN = "erin@clear.test"       # a mailbox here, in a domain that is not named
NOBODY = "nobody@remote.test"  # an address of the domain, without certificate
FRANK = "frank@elsewhere.test"  # somewhere else

MAILBOX_OWNER = "65534"


@pytest.fixture(scope="module")
def sender_key(folder):
    """Of the sender's domain."""
    return DkimKey(folder, "example.org")


@pytest.fixture(scope="module")
def verifier(folder, sender_key):
    with OpenDkim(folder, known_keys=[sender_key]) as opendkim:
        yield opendkim


@pytest.fixture(scope="module")
def milter(folder, lockbox):
    settings = [("scope", "incoming"), ("incoming-domain", "remote.test"), ("rule", "require")]
    with Milter(folder, lockbox, settings) as milter:
        yield milter


@pytest.fixture(scope="module")
def mailboxes(folder):
    return folder.make("mailboxes", int(MAILBOX_OWNER), int(MAILBOX_OWNER))


@pytest.fixture(scope="module")
def postfix(folder, sink, milter, tls, verifier, mailboxes):
    """The mail server of two domains: it verifies, has it sealed, and stores it in Maildirs. What is for others it relays
    for its own network only."""
    page = "".join(blocks(CONTRIB / "postfix/README.md", "# incoming: "))
    page = page.replace("opendkim/opendkim.sock", str(verifier.socket)).replace("lockbox/milter.sock", str(milter.socket))
    by_the_book = dict(re.findall(r"^postconf -e '(\S+) = (.*)'$", page, re.MULTILINE))
    assert list(by_the_book) == ["smtpd_milters", "non_smtpd_milters"]
    maps = ", ".join(f"{{{address}={address}/}}" for address in (BOB, CAROL, NOBODY, ERIN))
    # Postfix delivers here what is for an address of its own, and for names in mydestination.
    maps += "".join(f", {{bob@{name}={BOB}/}}" for name in ("[127.0.0.1]", "localhost"))
    settings = {
        **by_the_book, "smtpd_authorized_xclient_hosts": "127.0.0.0/8",
        "virtual_mailbox_domains": "remote.test, clear.test", "virtual_mailbox_base": mailboxes,
        "virtual_mailbox_maps": f"inline:{{ {maps} }}",
        "mydestination": "localhost", "local_transport": "virtual",
        "virtual_uid_maps": f"static:{MAILBOX_OWNER}", "virtual_gid_maps": f"static:{MAILBOX_OWNER}",
    }
    with Postfix(folder / "postfix", sink, milter.socket, tls, settings) as postfix:
        yield postfix


@pytest.fixture
def arrive(postfix):
    """Hands a message over as a mail server on the Internet does; returns the reply."""
    def send(sender, recipients, message):
        with SmtpClient(postfix.host, postfix.port) as client:
            assert client.command(f"XCLIENT ADDR={OUTSIDE} NAME=mail.example.org").code == 220
            assert client.command("EHLO mail.example.org").code == 250
            return client.submit(sender, recipients, message.octets, message.parameters)
    return send


@pytest.fixture
def stored(mailboxes, postfix, sender):
    """What the Maildir of an address has got from this test's sender: the file."""
    def look(address):
        trace = f"Return-Path: <{sender}>\n".encode()
        return [path for path in sorted((mailboxes / address).rglob("new/*")) if path.read_bytes().startswith(trace)]
    return lambda address: wait_for(lambda: look(address), lambda: f"mail for {address}:\n{postfix.tail()}", 60)[0]


@pytest.fixture
def opened(lockbox, home):
    """The message as its owner reads it, on their own machine."""
    return lambda path: lockbox.run("decrypt", path, environment=home.environment())


def signed_by_domain(message, key, canonicalization="relaxed/relaxed"):
    """The same message with a DKIM signature as its first field, and marks of the servers that it claims to have passed."""
    signature = key.sign(message.octets, canonicalization)[len(b"DKIM-Signature:"):-len(message.octets) - 2]
    message.fields = [(b"Received", b" from laptop by mail.example.org; Mon, 05 Jan 2026 10:11:13 +0100"),
                      (b"DKIM-Signature", signature), *message.fields]
    return message


def check_ciphertext_only(folder, message):
    """Every byte of every file, whatever its name."""
    octets = b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    check_nothing_leaks(octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), message)
    for value in message.values("Subject"):
        assert value.strip() not in octets
    return octets


def as_delivered(path):
    return Delivered(path.read_bytes().replace(b"\n", b"\r\n"))


@pytest.mark.parametrize("shape", [messages.plain, messages.attachment, messages.folded_fields,
                                   messages.all_content_fields, messages.encoded_words], ids=lambda shape: shape.__name__)
@pytest.mark.parametrize("canonicalization", ["relaxed/relaxed", "simple/simple"])
def test_the_mailbox_holds_ciphertext_and_its_owner_opens_it(arrive, stored, opened, mailboxes, home, sender, sender_key,
                                                             shape, canonicalization):
    message = signed_by_domain(shape(ALICE, [BOB]), sender_key, canonicalization)
    assert arrive(sender, [BOB], message).code == 250
    path = stored(BOB)

    octets = check_ciphertext_only(mailboxes / BOB, message)
    delivered = as_delivered(path)
    home.decrypt(check_form(delivered, message))
    # The verifier's word stays outside; what it has verified does not fit there any more.
    result, = delivered.values("Authentication-Results")
    assert b"mx.example.net" in result and b"dkim=pass" in result
    assert b"DKIM-Signature" not in octets
    assert len(delivered.values("Received")) == 2

    plain = opened(path)
    assert plain.endswith(b"\n\n" + message.delivered_body.replace(b"\r\n", b"\n"))
    assert plain.count(b"DKIM-Signature:") == 1
    assert sender_key.verify(plain)
    assert not sender_key.verify(plain.replace(message.marker.encode(), b"forged", 1))
    assert plain.count(b"Authentication-Results:") == 1


def test_a_message_that_its_sender_signed(arrive, stored, opened, mailboxes, home, sender, sender_key):
    """With OpenPGP, whose signature covers the body alone: the Subject stays, and DKIM covers it as before."""
    message = signed_by_domain(messages.signed(ALICE, [BOB], home), sender_key)
    assert arrive(sender, [BOB], message).code == 250
    path = stored(BOB)
    check_nothing_leaks(b"\n".join(path.read_bytes() for path in (mailboxes / BOB).rglob("*") if path.is_file()), message)
    delivered = as_delivered(path)
    check_form(delivered, message)
    assert not delivered.values("DKIM-Signature")
    assert sender_key.verify(opened(path))


def test_authentication_results_inside_are_nobodys_word(arrive, stored, opened, sender):
    """A sender seals by themselves a message that pretends to have been verified: only what is outside counts."""
    message = messages.plain("mallory@example.com", [BOB])
    message.fields.insert(0, (b"Authentication-Results", b" mx.example.net; dkim=pass header.d=example.org"))
    assert arrive(sender, [BOB], message).code == 250
    path = stored(BOB)
    assert b"dkim=pass" not in path.read_bytes()
    assert b"dkim=pass" not in opened(path)


def test_two_owners_read_their_own_file(arrive, stored, opened, mailboxes, sender):
    message = messages.plain(ALICE, [BOB, CAROL])
    assert arrive(sender, [BOB, CAROL], message).code == 250
    for owner in (BOB, CAROL):
        path = stored(owner)
        check_ciphertext_only(mailboxes / owner, message)
        assert message.marker.encode() in opened(path)


def test_what_arrives_sealed_is_stored_as_it_is(arrive, stored, home, sender):
    message = messages.openpgp_mime(ALICE, [BOB], home)
    assert arrive(sender, [BOB], message).code == 250
    assert as_delivered(stored(BOB)).body == message.delivered_body


def test_other_domains_are_not_concerned(arrive, stored, sender, sender_key):
    message = signed_by_domain(messages.plain(ALICE, [ERIN]), sender_key)
    assert arrive(sender, [ERIN], message).code == 250
    delivered = as_delivered(stored(ERIN))
    assert delivered.body == message.delivered_body
    assert delivered.values("Subject") == message.values("Subject")
    assert delivered.values("DKIM-Signature") == message.values("DKIM-Signature")


# RFC 5321 §4.1.3: the literal of IPv4, that of IPv6 in two spellings, and the general one; and what Postfix can be told to
# take for a literal.
LITERALS = ["[127.0.0.1]", "[192.0.2.1]", "[IPv6:::1]", "[ipv6:0:0:0:0:0:0:0:1]", "[x-tag:somewhere]", "127.0.0.1"]


@pytest.mark.parametrize("literal", LITERALS)
@pytest.mark.parametrize("server", ["postfix", "sendmail"])
def test_an_address_literal_is_no_way_around_the_rules(request, server, mailboxes, sink, sender, literal):
    """It may be this machine's: the same mailboxes. Nobody has a certificate for it, so `require` refuses."""
    mta = request.getfixturevalue(server)
    message = messages.plain(ALICE, [BOB])
    reply = mta.submit(sender, [f"bob@{literal}"], message.octets)
    assert 500 <= reply.code < 600, f"{reply}\n{mta.tail()}"
    assert message.marker.encode() not in sink.everything()
    assert not any(message.marker.encode() in path.read_bytes() for path in mailboxes.rglob("*") if path.is_file())


def test_a_name_that_is_not_listed_leads_to_the_same_mailbox_in_clear(arrive, stored, sender):
    """The page: every name in mydestination needs its line."""
    message = messages.plain(ALICE, [BOB])
    assert arrive(sender, ["bob@localhost"], message).code == 250
    assert message.marker.encode() in stored(BOB).read_bytes()


def test_the_page_shows_which_names_are_this_servers_own(postfix, sendmail):
    command, = blocks(CONTRIB / "postfix/README.md", "# incoming, the names")
    assert command.splitlines()[1] == "postconf -x -h mydestination virtual_mailbox_domains"
    done = subprocess.run(["postconf", "-c", str(postfix.etc), *command.splitlines()[1].split()[1:]], check=True,
                          capture_output=True, text=True)
    assert done.stdout.splitlines() == ["localhost", "remote.test, clear.test"]
    command, = blocks(CONTRIB / "sendmail/README.md", "# the names")
    assert command.splitlines()[1] == "echo '$=w' | sendmail -bt"
    assert "mta.example.org" in sendmail.names_of_class("w")


def test_outgoing_mail_of_the_same_server_is_not_concerned(postfix, sink, sender):
    message = messages.plain(BOB, [FRANK])
    assert postfix.submit(sender, [FRANK], message.octets).code == 250
    delivered = Delivered(sink.wait_for(sender, diagnosis=postfix.tail).content)
    assert delivered.body == message.delivered_body


def test_local_mail_to_a_mailbox_is_sealed_too(postfix, stored, opened, mailboxes, sender):
    message = messages.plain(ALICE, [BOB])
    assert postfix.sendmail(sender, [BOB], message.local()).returncode == 0
    path = stored(BOB)
    check_ciphertext_only(mailboxes / BOB, message)
    assert message.marker.encode() in opened(path)


def test_require_refuses_for_an_owner_without_certificate(arrive, mailboxes, sender):
    reply = arrive(sender, [NOBODY], messages.plain(ALICE, [NOBODY]))
    assert reply.code == 550
    assert f"<{NOBODY}>: no certificate" in reply.words
    assert not [path for path in (mailboxes / NOBODY).rglob("*") if path.is_file()]

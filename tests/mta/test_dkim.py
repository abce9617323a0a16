"""Lockbox first, the signer last: what leaves is signed as it is. OpenDKIM signs, dkimpy verifies."""

import contextlib

import pytest

from conftest import ALICE, BOB, REQUIRE
from support import messages
from support.dkim_key import DkimKey
from support.milter import Milter
from support.opendkim import OpenDkim
from support.places import free_endpoint
from support.postfix import Postfix
from support.sealed import Delivered, check_form, check_nothing_leaks

DAVE = "dave@elsewhere.test"


@pytest.fixture(scope="module")
def our_key(folder):
    """Of the domain whose mail server this is."""
    return DkimKey(folder, "example.org")


@pytest.fixture(scope="module")
def application_key(folder):
    """Of an application that signs by itself what it hands to the mail server."""
    return DkimKey(folder, "app.example.org", "app")


@pytest.fixture(scope="module")
def opendkim(folder, our_key):
    with OpenDkim(folder, our_key) as opendkim:
        yield opendkim


@contextlib.contextmanager
def in_place(folder, lockbox, sink, opendkim, tls):
    """One list of milters: the one that signs sees what the one before it has edited."""
    with Milter(folder, lockbox, REQUIRE, name="in-place") as milter, \
            Postfix(folder / "postfix-in-place", sink, milter.socket, tls, signer=opendkim.socket) as postfix:
        yield postfix


@contextlib.contextmanager
def reinjected(folder, lockbox, sink, opendkim, tls):
    """The same list on the listener: the signer never sees the original, which Lockbox has discarded by then."""
    listener = free_endpoint()
    settings = [("delivery", "reinject"), ("reinject", "%s:%d" % listener), *REQUIRE]
    with Milter(folder, lockbox, settings, name="reinjected") as milter, \
            Postfix(folder / "postfix-reinjected", sink, milter.socket, tls, listener=listener,
                    signer=opendkim.socket) as postfix:
        yield postfix


# How the sealed message gets from Lockbox to the signer: each makes a Postfix in which one follows the other.
DELIVERIES = [in_place, reinjected]


@pytest.fixture(scope="module", params=DELIVERIES, ids=lambda delivery: delivery.__name__)
def postfix(request, folder, lockbox, sink, opendkim, tls):
    with request.param(folder, lockbox, sink, opendkim, tls) as postfix:
        yield postfix


def over_smtp(postfix, message, sender, recipient):
    reply = postfix.submit(sender, [recipient], message.octets, message.parameters)
    assert reply.code == 250, f"{reply}\n{postfix.tail()}"


def from_sendmail(postfix, message, sender, recipient):
    done = postfix.sendmail(sender, [recipient], message.local())
    assert done.returncode == 0, done.stderr


@pytest.fixture(params=[over_smtp, from_sendmail], ids=lambda way: way.__name__)
def send(request, postfix):
    return lambda *arguments: request.param(postfix, *arguments)


def check_signed(delivery, key):
    """One signature, and it fits what was delivered and nothing else."""
    delivered = Delivered(delivery.content)
    assert len(delivered.values("DKIM-Signature")) == 1
    assert key.verify(delivery.content)
    middle = len(delivery.content) - len(delivered.body) // 2
    changed = delivery.content[:middle] + bytes([delivery.content[middle] ^ 1]) + delivery.content[middle + 1:]
    assert not key.verify(changed), "a signature that fits everything"
    return delivered


@pytest.mark.parametrize("shape", [messages.plain, messages.attachment, messages.latin_1, messages.no_mime_headers,
                                   messages.duplicate_fields, messages.dots_and_froms], ids=lambda shape: shape.__name__)
def test_the_sealed_message_is_signed(postfix, send, sink, home, sender, our_key, shape):
    message = shape(ALICE, [BOB])
    send(message, sender, BOB)
    delivery = sink.wait_for(sender, diagnosis=postfix.tail)
    check_nothing_leaks(delivery.wire, message)
    payload = home.decrypt(check_form(check_signed(delivery, our_key), message))
    assert b"DKIM-Signature" not in payload


def test_mail_in_clear_is_signed_as_before(postfix, send, sink, sender, our_key):
    message = messages.plain(ALICE, [DAVE])
    send(message, sender, DAVE)
    delivered = check_signed(sink.wait_for(sender, diagnosis=postfix.tail), our_key)
    assert delivered.body == message.delivered_body


@pytest.mark.parametrize("shape", [messages.plain, messages.signed], ids=lambda shape: shape.__name__)
def test_an_earlier_signature_goes_inside(postfix, send, sink, home, lockbox, folder, sender, our_key, application_key,
                                          shape):
    """Outside it would not fit, and its body digest would confirm a guess at the text."""
    message = shape(ALICE, [BOB], *([home] if shape in messages.SHAPES_WITH_HOME else []))
    signed = application_key.sign(message.octets)
    message.fields = [(b"DKIM-Signature", signed[len(b"DKIM-Signature:"):-len(message.octets) - 2]), *message.fields]
    assert message.octets == signed and application_key.verify(signed)
    send(message, sender, BOB)

    delivery = sink.wait_for(sender, diagnosis=postfix.tail)
    check_form(check_signed(delivery, our_key), message)
    assert b"app.example.org" not in delivery.content
    path = folder / "delivered.eml"
    path.write_bytes(delivery.content)
    opened = lockbox.run("decrypt", path, environment=home.environment())
    assert opened.count(b"DKIM-Signature:") == 1, "the signature over the sealed form is still there"
    assert application_key.verify(opened)

"""Several copies of one message: each recipient gets exactly theirs, and learns nothing about the hidden others."""

import re

import pytest

from conftest import ALICE, BOB, CAROL, DAVE, Route
from support import messages
from support.milter import Milter
from support.places import free_endpoint
from support.postfix import Postfix
from support.sealed import Delivered, check_form, check_nothing_leaks, check_payload
from support.sendmail import Sendmail
from support.waiting import wait_for


@pytest.fixture(scope="module")
def listeners():
    return {"postfix": free_endpoint(), "sendmail": free_endpoint()}


def milter_for(folder, lockbox, name, listener, *settings):
    return Milter(folder, lockbox, [("reinject", "%s:%d" % listener), ("journal", lockbox.folder / f"{name}.journal"),
                                    *settings], name=name)


@pytest.fixture(scope="module", params=["auto", "reinject"])
def delivery(request):
    return request.param


@pytest.fixture(scope="module")
def milters(folder, lockbox, listeners, delivery):
    """One for each MTA: they have listeners of their own."""
    rules = [("delivery", delivery), ("rule", "prefer")]
    with milter_for(folder, lockbox, f"postfix-{delivery}", listeners["postfix"], *rules) as postfix, \
            milter_for(folder, lockbox, f"sendmail-{delivery}", listeners["sendmail"], *rules) as sendmail:
        yield {"postfix": postfix, "sendmail": sendmail}


@pytest.fixture(scope="module")
def servers(folder, sink, tls, milters, listeners, delivery):
    with Postfix(folder / f"postfix-{delivery}", sink, milters["postfix"].socket, tls,
                 listener=listeners["postfix"]) as postfix, \
            Sendmail(folder / f"sendmail-{delivery}", sink, milters["sendmail"].socket,
                     listener=listeners["sendmail"]) as sendmail:
        yield {"postfix": postfix, "sendmail": sendmail}


@pytest.fixture(params=["postfix-smtp", "postfix-sendmail", "sendmail-smtp", "sendmail-sendmail"])
def route(request, servers):
    return Route(request.param, servers[request.param.split("-")[0]])


def recipients_of(deliveries):
    return sorted(address for delivery in deliveries for address in delivery.addresses())


def wait_for_recipients(sink, sender, recipients, diagnosis):
    """Exactly one copy for each, no more and no less: the last word after the queue is empty is the caller's."""
    def came():
        deliveries = sink.from_sender(sender)
        return len(recipients_of(deliveries)) >= len(recipients) and deliveries
    deliveries = wait_for(came, lambda: f"{recipients} get the message from {sender}; came: "
                          f"{recipients_of(sink.from_sender(sender))}\n{diagnosis()}", 60)
    assert recipients_of(deliveries) == sorted(recipients)
    return {address: delivery for delivery in deliveries for address in delivery.addresses()}


def key_ids(home, armor):
    packets = home.run("--list-packets", "--list-only", input=armor).decode()
    return re.findall(r":pubkey enc packet:.*keyid ([0-9A-F]+)", packets)


def check_sealed(home, delivery, message, key_count):
    check_nothing_leaks(delivery.wire, message)
    delivered = Delivered(delivery.content)
    armor = check_form(delivered, message)
    assert len(key_ids(home, armor)) == key_count
    check_payload(home.decrypt(armor), message, delivered)
    return armor


def test_sealed_clear_and_hidden(route, sink, home, sender):
    """To: with a certificate, Cc: without one, Bcc: with a certificate."""
    message = messages.plain(ALICE, [BOB, DAVE])
    route.send(message, sender, [BOB, DAVE, CAROL])
    came = wait_for_recipients(sink, sender, [BOB, DAVE, CAROL], route.server.tail)
    armor_for_bob = check_sealed(home, came[BOB], message, 1)
    armor_for_carol = check_sealed(home, came[CAROL], message, 1)
    assert key_ids(home, armor_for_bob) != key_ids(home, armor_for_carol)
    clear = Delivered(came[DAVE].content)
    assert clear.body == message.delivered_body
    assert clear.values("Subject") == message.values("Subject")
    for delivery in came.values():
        assert CAROL.encode() not in delivery.wire.split(b"\r\nDATA\r\n", 1)[-1] or delivery is came[CAROL]

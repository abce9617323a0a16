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


def test_two_hidden_recipients_do_not_learn_of_each_other(route, sink, home, sender):
    message = messages.plain(ALICE, ["list@elsewhere.test"])
    route.send(message, sender, [BOB, CAROL])
    came = wait_for_recipients(sink, sender, [BOB, CAROL], route.server.tail)
    for delivery in came.values():
        check_sealed(home, delivery, message, 1)


def test_named_recipients_share_a_copy(route, sink, home, sender):
    message = messages.plain(ALICE, [BOB, CAROL])
    route.send(message, sender, [BOB, CAROL])
    came = wait_for_recipients(sink, sender, [BOB, CAROL], route.server.tail)
    check_sealed(home, came[BOB], message, 2)
    assert Delivered(came[BOB].content).body == Delivered(came[CAROL].content).body


@pytest.mark.parametrize("shape", [messages.utf_8_without_mime, messages.raw_utf_8_header, messages.latin_1,
                                   messages.empty_body, messages.without_final_line_end, messages.dots_and_froms,
                                   messages.nul_bytes, messages.duplicate_fields],
                         ids=lambda shape: shape.__name__)
def test_every_shape(route, sink, home, sender, shape):
    """8BITMIME, SMTPUTF8, dots and line ends: sealed and clear copies carry the same bytes."""
    message = shape(ALICE, [BOB, DAVE])
    route.send(message, sender, [BOB, DAVE])
    came = wait_for_recipients(sink, sender, [BOB, DAVE], route.server.tail)
    check_sealed(home, came[BOB], message, 1)
    assert Delivered(came[DAVE].content).body == message.delivered_body


def test_no_date_and_no_message_id(route, sink, home, sender):
    """What is protected exists; all copies have the same."""
    message = messages.plain(ALICE, [BOB, DAVE])
    message.fields = [field for field in message.fields if field[0] not in (b"Date", b"Message-ID")]
    route.send(message, sender, [BOB, DAVE, CAROL])
    came = wait_for_recipients(sink, sender, [BOB, DAVE, CAROL], route.server.tail)
    ids = {tuple(Delivered(delivery.content).values("Message-ID")) for delivery in came.values()}
    dates = {tuple(Delivered(delivery.content).values("Date")) for delivery in came.values()}
    assert len(ids) == 1 and len(next(iter(ids))) == 1, ids
    assert len(dates) == 1 and len(next(iter(dates))) == 1, dates
    payload = home.decrypt(check_form(Delivered(came[BOB].content), message))
    inside = b"\r\n" + payload.split(b"\r\n\r\n", 1)[0].lower()
    assert b"\r\nmessage-id:" in inside and b"\r\ndate:" in inside


def test_one_copy_without_date_and_message_id(servers, sink, home, sender):
    """In place too: Sendmail adds these fields only after its milters."""
    for server in servers.values():
        message = messages.plain(ALICE, [BOB])
        message.fields = [field for field in message.fields if field[0] not in (b"Date", b"Message-ID")]
        own = f"{server.port}-{sender}"
        assert server.submit(own, [BOB], message.octets).code == 250
        delivered = Delivered(sink.wait_for(own, diagnosis=server.tail).content)
        assert len(delivered.values("Message-ID")) == 1 and len(delivered.values("Date")) == 1
        inside = b"\r\n" + home.decrypt(check_form(delivered, message)).split(b"\r\n\r\n", 1)[0].lower()
        assert b"\r\nmessage-id:" in inside and b"\r\ndate:" in inside


def test_mixed_case_and_extensions(route, sink, home, sender):
    """The MTA's own bytes of an address come back to it; another spelling of a name in To shares no copy, which costs no
    more than that."""
    spelt = "BoB@Remote.TEST"
    message = messages.plain(ALICE, [BOB])
    route.send(message, sender, [spelt, "dave+tag@remote.test"])
    wait_for(lambda: len(recipients_of(sink.from_sender(sender))) >= 2, route.server.tail, 60)
    came = {address.lower(): delivery for delivery in sink.from_sender(sender) for address in delivery.addresses()}
    assert sorted(came) == [BOB, "dave+tag@remote.test"]
    check_sealed(home, came[BOB], message, 1)


def test_a_hundred_recipients(route, sink, home, sender):
    """Ninety-eight in clear share one copy; two with certificates have theirs."""
    others = [f"person{number}@remote.test" for number in range(98)]
    message = messages.plain(ALICE, [BOB])
    route.send(message, sender, [BOB, CAROL, *others])
    came = wait_for_recipients(sink, sender, [BOB, CAROL, *others], lambda: "")
    check_sealed(home, came[BOB], message, 1)
    check_sealed(home, came[CAROL], message, 1)


def test_the_null_sender(route, sink, home):
    if not route.over_smtp:
        pytest.skip("sendmail(1) has options of its own for that")
    message = messages.plain(ALICE, [BOB, DAVE])
    route.send(message, "", [BOB, DAVE])

    def ours():
        return [delivery for delivery in sink.from_sender("")
                if message.values("Message-ID")[0] in delivery.wire]
    wait_for(lambda: recipients_of(ours()) == [BOB, DAVE], route.server.tail, 60)
    for delivery in ours():
        if delivery.addresses() == [BOB]:
            check_sealed(home, delivery, message, 1)


def test_delivery_status_parameters_are_carried_over(servers, sink, sender):
    """RFC 3461: RET and ENVID, NOTIFY and ORCPT."""
    for name, server in servers.items():
        message = messages.plain(ALICE, [BOB, DAVE])
        own = f"{name}-{sender}"
        with server.client() as client:
            assert client.command(f"MAIL FROM:<{own}> RET=HDRS ENVID=QQ314159").code == 250
            assert client.command(f"RCPT TO:<{BOB}> NOTIFY=FAILURE,DELAY ORCPT=rfc822;bob@original.test").code == 250
            assert client.command(f"RCPT TO:<{DAVE}> NOTIFY=NEVER").code == 250
            assert client.data(message.octets).code == 250
        wait_for(lambda: recipients_of(sink.from_sender(own)) == [BOB, DAVE], server.tail, 60)
        for delivery in sink.from_sender(own):
            assert "RET=HDRS" in delivery.mail and "ENVID=QQ314159" in delivery.mail
            line = delivery.recipients[0]
            if delivery.addresses() == [BOB]:
                assert "NOTIFY=FAILURE,DELAY" in line.replace("DELAY,FAILURE", "FAILURE,DELAY")
                assert "bob@original.test" in line
            else:
                assert "NOTIFY=NEVER" in line


def test_chunking(servers, sink, home, sender):
    """BDAT (RFC 3030), where the MTA offers it."""
    for name, server in servers.items():
        message = messages.plain(ALICE, [BOB, DAVE])
        own = f"{name}-{sender}"
        with server.client() as client:
            if "CHUNKING" not in client.offers:
                continue
            assert client.command(f"MAIL FROM:<{own}>").code == 250
            for recipient in (BOB, DAVE):
                assert client.command(f"RCPT TO:<{recipient}>").code == 250
            half = len(message.octets) // 2
            client.send(b"BDAT %d\r\n" % half + message.octets[:half])
            assert client.reply().code == 250
            rest = message.octets[half:]
            client.send(b"BDAT %d LAST\r\n" % len(rest) + rest)
            assert client.reply().code == 250
        came = wait_for_recipients(sink, own, [BOB, DAVE], server.tail)
        check_sealed(home, came[BOB], message, 1)


def test_an_address_beyond_ascii(servers, sink, home, sender):
    """SMTPUTF8 (RFC 6531) on the way back: Postfix knows it, Debian's Sendmail does not."""
    address = "dävid@remote.test"
    message = messages.plain(ALICE, [BOB])
    with servers["postfix"].client() as client:
        assert client.submit(sender, [BOB, address], message.octets, " SMTPUTF8").code == 250
    came = wait_for_recipients(sink, sender, [BOB, address], servers["postfix"].tail)
    check_sealed(home, came[BOB], message, 1)
    assert "SMTPUTF8" in came[address].mail


def test_an_alias_is_expanded(servers, milters, lockbox, sink, home, sender):
    """A group: each member gets a copy of their own, and nobody is sent anything under the group's address."""
    if "team@remote.test" not in lockbox.run("alias", "list").decode():
        lockbox.run("alias", "add", "team@remote.test", BOB, CAROL, DAVE)
    for name, server in servers.items():
        message = messages.plain(ALICE, ["team@remote.test"])
        own = f"{name}-{sender}"
        assert server.submit(own, ["team@remote.test"], message.octets).code == 250
        came = wait_for_recipients(sink, own, [BOB, CAROL, DAVE], server.tail)
        check_sealed(home, came[BOB], message, 1)
        check_sealed(home, came[CAROL], message, 1)


def test_a_role_is_sealed_to_somebodys_certificate(servers, lockbox, sink, home, sender):
    fingerprint = home.fingerprint(CAROL)
    if "role@remote.test" not in lockbox.run("alias", "list").decode():
        lockbox.run("alias", "add", "role@remote.test", fingerprint)
    message = messages.plain(ALICE, ["role@remote.test"])
    assert servers["postfix"].submit(sender, ["role@remote.test"], message.octets).code == 250
    delivery = sink.wait_for(sender, diagnosis=servers["postfix"].tail)
    assert delivery.addresses() == ["role@remote.test"]
    check_sealed(home, delivery, message, 1)


def test_log_line_and_trace(servers, milters, sink, sender):
    """One line for the message, with the MTA's names of its copies; each copy says where it came from."""
    message = messages.plain(ALICE, [BOB, DAVE])
    reply = servers["postfix"].submit(sender, [BOB, DAVE], message.octets)
    queue_id = re.search(r"queued as (\S+)", reply.text).group(1)
    line = milters["postfix"].line_of(queue_id)
    found = re.search(rf" {queue_id}: sealed, copies=2, protocol=\"?clear openpgp\"?, fingerprints=[0-9A-F]+, "
                      r"reinjected-as=\"(\w+) (\w+)\", tls=none, ms=[0-9.]+$", line)
    assert found, line
    for name in found.groups():
        servers["postfix"].wait_for_line(rf" {name}: .*status=sent")
        servers["postfix"].wait_for_line(rf"postfix/reinject/smtpd\[\d+\]: {name}: client=.*orig_queue_id={queue_id}")
    came = wait_for_recipients(sink, sender, [BOB, DAVE], servers["postfix"].tail)
    for delivery in came.values():
        received = [value.replace(b"\r\n", b"") for value in Delivered(delivery.content).values("Received")]
        assert any(b"(Lockbox) with ESMTP id " + queue_id.encode() in value for value in received), received


def test_nothing_readable_stays_in_the_queues(servers, sink, delivery, sender):
    """With delivery = reinject: strings over every file (FACTS C.7 of an edited message: most of it is still there)."""
    if delivery != "reinject":
        pytest.skip("an edited original keeps pieces until it is deleted")
    def away(stage, _):
        return "451 4.0.0 later" if stage == "mail" else None
    sink.fault = away
    try:
        for name, server in servers.items():
            message = messages.plain(ALICE, [BOB])
            own = f"{name}-{sender}"
            assert server.submit(own, [BOB], message.octets).code == 250
            files = [path for path in (server.base / "queue").rglob("*") if path.is_file()]
            assert files, "the copy waits in the queue"
            assert not [path for path in files if message.marker.encode() in path.read_bytes()]
    finally:
        sink.fault = None
    for name, server in servers.items():
        server.flush()
        sink.wait_for(f"{name}-{sender}", diagnosis=server.tail)


def test_a_loop_ends(servers, sender):
    message = messages.plain(ALICE, [BOB, DAVE])
    message.fields[:0] = [(b"Received", b" from a by b; Mon, 05 Jan 2026 10:11:12 +0100")] * 51
    for server in servers.values():
        reply = server.submit(sender, [BOB, DAVE], message.octets)
        assert reply.code in (554, 550), reply

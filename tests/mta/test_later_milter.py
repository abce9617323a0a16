"""A second milter that refuses a recipient: who is refused gets nothing, wherever that milter stands, or nobody does."""

import contextlib

import pytest

from conftest import ALICE, BOB, DAVE
from support import messages
from support.milter import Milter
from support.places import free_endpoint
from support.postfix import REINJECTION, Postfix
from support.refusing_milter import RefusingMilter
from support.sealed import Delivered, check_form
from support.sendmail import Sendmail
from support.waiting import wait_for

GONE = "gone@remote.test"  # whom the other milter refuses


@pytest.fixture(scope="module")
def refusing():
    with RefusingMilter(GONE) as refusing:
        yield refusing


@pytest.fixture(scope="module", autouse=True)
def everybody_but_dave_has_a_certificate(home, lockbox):
    home.generate(f"Gone Example <{GONE}>")
    lockbox.import_from(home, GONE)


@contextlib.contextmanager
def lockbox_milter(folder, lockbox, name):
    endpoint = free_endpoint()
    settings = [("rule", "prefer"), ("reinject", "%s:%d" % endpoint), ("journal", lockbox.folder / f"{name}.db")]
    with Milter(folder, lockbox, settings, name=name) as milter:
        milter.listener = endpoint
        yield milter


@contextlib.contextmanager
def postfix_with(folder, sink, lockbox, tls, name, order, on_listener="{lockbox}"):
    with lockbox_milter(folder, lockbox, name) as milter:
        def of(pattern):
            return pattern.replace("{lockbox}", f"unix:{milter.socket}")
        services = REINJECTION.format(listener_host=milter.listener[0], listener_port=milter.listener[1],
                                      listener_milters=of(on_listener))
        settings = {"smtpd_milters": of(order), "non_smtpd_milters": f"unix:{milter.socket}"}
        with Postfix(folder / name, sink, milter.socket, tls, settings, services) as postfix:
            yield postfix


@contextlib.contextmanager
def sendmail_with(folder, sink, lockbox, name, filters, extra=""):
    """`filters` are (name, socket or None for Lockbox's own), in the order of the file."""
    with lockbox_milter(folder, lockbox, name) as milter:
        lines = "".join(f"INPUT_MAIL_FILTER(`{one}', `S={place or f'unix:{milter.socket}'}, F=T')\n" for one, place in filters)
        with Sendmail(folder / name, sink, extra=lines + extra, listener=milter.listener) as sendmail:
            yield sendmail


@pytest.fixture(scope="module")
def refused_before_postfix(folder, sink, lockbox, tls, refusing):
    with postfix_with(folder, sink, lockbox, tls, "postfix-before", f"{refusing.in_main_cf},{{lockbox}}") as postfix:
        yield postfix


@pytest.fixture(scope="module")
def refused_before_sendmail(folder, sink, lockbox, refusing):
    with sendmail_with(folder, sink, lockbox, "sendmail-before", [("refusing", refusing.in_sendmail_mc), ("lockbox", None)]) as sendmail:
        yield sendmail


@pytest.fixture(scope="module")
def refused_behind_postfix(folder, sink, lockbox, tls, refusing):
    with postfix_with(folder, sink, lockbox, tls, "postfix-behind", f"{{lockbox}},{refusing.in_main_cf}") as postfix:
        yield postfix


@pytest.fixture(scope="module")
def refused_behind_sendmail(folder, sink, lockbox, refusing):
    # check_rcpt refuses, too: Sendmail does not tell its milters of that either.
    own = "LOCAL_RULESETS\nSLocal_check_rcpt\nR$* unknown $*\t$#error $@ 5.1.1 $: 550 nobody of that name\n"
    with sendmail_with(folder, sink, lockbox, "sendmail-behind", [("lockbox", None), ("refusing", refusing.in_sendmail_mc)],
                       own) as sendmail:
        yield sendmail


def send(server, sender, recipients, octets):
    """The replies to RCPT that refuse somebody, and the reply to the final dot."""
    with server.client() as client:
        assert client.command(f"MAIL FROM:<{sender}>").code == 250
        refused = [recipient for recipient in recipients if client.command(f"RCPT TO:<{recipient}>").code != 250]
        assert client.command("DATA").code == 354
        client.send(octets + b"\r\n.\r\n" if not octets.endswith(b"\r\n") else octets + b".\r\n")
        return refused, client.reply()


def check_each_once(server, sink, sender, recipients, message, home):
    """Everybody has got one copy, sealed where there is a certificate, and nobody else anything."""
    def came():
        addresses = sorted(address for delivery in sink.from_sender(sender) for address in delivery.addresses())
        return addresses if len(addresses) >= len(recipients) else None
    assert wait_for(came, server.tail) == sorted(recipients)
    for delivery in sink.from_sender(sender):
        if delivery.addresses() == [DAVE]:
            assert Delivered(delivery.content).body == message.delivered_body
        else:
            home.decrypt(check_form(Delivered(delivery.content), message))


ORDERS = {"first": [GONE, BOB, DAVE], "middle": [BOB, GONE, DAVE], "last": [BOB, DAVE, GONE]}


@pytest.mark.parametrize("server", ["postfix", "sendmail"])
@pytest.mark.parametrize("order", ORDERS)
def test_refused_before_lockbox(request, sink, home, sender, server, order):
    """The pages' advice: whoever refuses recipients comes first."""
    server = request.getfixturevalue(f"refused_before_{server}")
    message = messages.plain(ALICE, [BOB, DAVE])
    refused, reply = send(server, sender, ORDERS[order], message.octets)
    assert refused == [GONE] and reply.code == 250, f"{reply}\n{server.tail()}"
    check_each_once(server, sink, sender, [BOB, DAVE], message, home)


@pytest.mark.parametrize("server", ["postfix", "sendmail"])
@pytest.mark.parametrize("order", [[GONE, BOB], [BOB, GONE]], ids=["first", "last"])
def test_refused_behind_lockbox_in_place(request, sink, home, sender, server, order):
    """One copy: the message stays in the MTA, which knows whom it has refused."""
    server = request.getfixturevalue(f"refused_behind_{server}")
    message = messages.plain(ALICE, [BOB, GONE])
    refused, reply = send(server, sender, order, message.octets)
    assert refused == [GONE] and reply.code == 250, f"{reply}\n{server.tail()}"
    check_each_once(server, sink, sender, [BOB], message, home)


@pytest.mark.parametrize("order", ORDERS)
def test_refused_behind_lockbox_sendmail_counts(refused_behind_sendmail, sink, home, sender, order):
    """Copies go back over SMTP, to recipients that Lockbox has recorded: not all of them are in, so nobody gets any. The
    next try, which is for those that are left, succeeds."""
    message = messages.plain(ALICE, [BOB, DAVE])
    refused, reply = send(refused_behind_sendmail, sender, ORDERS[order], message.octets)
    assert refused == [GONE]
    assert reply.code == 451, f"{reply}\n{refused_behind_sendmail.tail()}"
    assert not sink.from_sender(sender)
    left = [recipient for recipient in ORDERS[order] if recipient not in refused]
    assert send(refused_behind_sendmail, sender, left, message.octets)[1].code == 250
    check_each_once(refused_behind_sendmail, sink, sender, left, message, home)


UNKNOWN = "unknown@remote.test"  # whom Sendmail itself refuses, and tells no milter


@pytest.mark.parametrize("recipients", [[UNKNOWN, BOB, DAVE], [BOB, UNKNOWN, DAVE], [BOB, DAVE, UNKNOWN],
                                        [BOB, BOB, UNKNOWN, DAVE]], ids=["first", "middle", "last", "twice"])
def test_sendmails_own_refusal_holds_nobody_up(refused_behind_sendmail, sink, home, sender, recipients):
    """Its count shows that all whom Lockbox has recorded are in."""
    message = messages.plain(ALICE, [BOB, DAVE])
    refused, reply = send(refused_behind_sendmail, sender, recipients, message.octets)
    assert refused == [UNKNOWN] and reply.code == 250, f"{reply}\n{refused_behind_sendmail.tail()}"
    check_each_once(refused_behind_sendmail, sink, sender, [BOB, DAVE], message, home)


@pytest.mark.parametrize("refusals", [[UNKNOWN, UNKNOWN], [GONE, UNKNOWN]], ids=["unknown", "gone"])
def test_two_refusals_at_the_end_are_doubt(refused_behind_sendmail, sink, home, sender, refusals):
    """Nothing shows whether one of them was the last recipient that Lockbox has recorded."""
    message = messages.plain(ALICE, [BOB, DAVE])
    refused, reply = send(refused_behind_sendmail, sender, [BOB, DAVE, *refusals], message.octets)
    assert refused == refusals and reply.code == 451 and not sink.from_sender(sender)
    assert send(refused_behind_sendmail, sender, [BOB, DAVE], message.octets)[1].code == 250
    check_each_once(refused_behind_sendmail, sink, sender, [BOB, DAVE], message, home)


@pytest.mark.parametrize("order", ORDERS)
def test_postfix_refused_behind_lockbox_on_both(folder, sink, lockbox, tls, refusing, sender, order):
    """The other advice: a milter that must stand behind Lockbox stands there on the listener, too. It refuses the copy, and
    nobody gets any."""
    behind = f"{{lockbox}},{refusing.in_main_cf}"
    with postfix_with(folder, sink, lockbox, tls, f"postfix-both-{order}", behind, behind) as postfix:
        refused, reply = send(postfix, sender, ORDERS[order], messages.plain(ALICE, [BOB, DAVE]).octets)
        assert refused == [GONE]
        assert 400 <= reply.code < 600, f"{reply}\n{postfix.tail()}"
        assert not sink.from_sender(sender) and not postfix.queued(sender)


@pytest.mark.xfail(strict=True, reason="Postfix tells a milter nothing of what a later one has refused: the page says so")
def test_postfix_refused_behind_lockbox_on_the_entrance_alone(refused_behind_postfix, sink, sender):
    refused, reply = send(refused_behind_postfix, sender, [BOB, GONE, DAVE], messages.plain(ALICE, [BOB, DAVE]).octets)
    assert refused == [GONE] and reply.code == 250
    def came():
        return len(sink.from_sender(sender)) >= 3
    wait_for(came, refused_behind_postfix.tail)
    assert GONE not in [address for delivery in sink.from_sender(sender) for address in delivery.addresses()]

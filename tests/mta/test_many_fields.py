"""Messages with very many header fields and recipients: what the mail server cannot edit in time is handed back or refused."""

import pytest

from conftest import ALICE, BOB, DAVE
from support import messages
from support.milter import Milter
from support.places import free_endpoint
from support.postfix import Postfix
from support.sealed import Delivered, check_form, check_nothing_leaks

FIELDS_IN_PLACE = 1000     # policy/way_out.hpp
FIELDS_HANDED_BACK = 8000  # this many deletions take Postfix seconds, twice as many are never done
RECIPIENTS = 10_000        # policy/transaction.hpp
AT_ONCE = 100              # commands in a pipeline whose answers fit into the buffers of a socket


def with_fields(count, recipients=(BOB,), name=b"X-Own"):
    message = messages.plain(ALICE, recipients)
    message.fields += [(name, b" field %d" % number) for number in range(count)]
    return message


@pytest.fixture(scope="module")
def handing_back(folder, sink, lockbox, tls):
    listener = free_endpoint()
    settings = [("rule", "prefer"), ("reinject", "%s:%d" % listener)]
    with Milter(folder, lockbox, settings, name="handing-back") as milter:
        with Postfix(folder / "handing-back", sink, milter.socket, tls, listener=listener) as postfix:
            postfix.milter = milter
            yield postfix


def opened(home, delivery, message):
    check_nothing_leaks(delivery.wire, message)
    delivered = Delivered(delivery.content)
    assert not delivered.values("X-Own")
    payload = home.decrypt(check_form(delivered, message))
    assert payload.count(b"\r\nX-Own:") == len(message.values("X-Own"))


@pytest.mark.parametrize("over_smtp", [True, False], ids=["smtp", "sendmail"])
def test_with_a_way_back_they_make_a_copy(handing_back, sink, home, sender, over_smtp):
    message = with_fields(FIELDS_HANDED_BACK)
    if over_smtp:
        reply = handing_back.submit(sender, [BOB], message.octets)
        assert reply.code == 250, f"{reply}\n{handing_back.tail()}"
    else:
        assert handing_back.sendmail(sender, [BOB], message.local()).returncode == 0
    opened(home, sink.wait_for(sender, diagnosis=handing_back.tail), message)
    assert handing_back.milter.lines("reinjected-as=")


@pytest.mark.parametrize("server", ["postfix", "sendmail"])
def test_without_one_there_is_a_limit(request, server, sink, home, sender):
    mta = request.getfixturevalue(server)
    message = with_fields(FIELDS_IN_PLACE - 10)  # the Subject and the structural fields count too
    reply = mta.submit(sender, [BOB], message.octets)
    assert reply.code == 250, f"{reply}\n{mta.tail()}"
    opened(home, sink.wait_for(sender, diagnosis=mta.tail), message)
    message = with_fields(FIELDS_IN_PLACE + 1)
    reply = mta.submit(f"more-{sender}", [BOB], message.octets)
    assert (reply.code, reply.words) == (554, f"Message has more than {FIELDS_IN_PLACE} header fields that would have to be "
                                              "changed or removed"), mta.tail()
    assert message.marker.encode() not in sink.everything()


def test_fields_in_clear_mail_are_nobodys_business(postfix, sink, sender):
    message = with_fields(FIELDS_HANDED_BACK, ["dave@elsewhere.test"])
    assert postfix.submit(sender, ["dave@elsewhere.test"], message.octets).code == 250
    assert len(Delivered(sink.wait_for(sender, diagnosis=postfix.tail).content).values("X-Own")) == FIELDS_HANDED_BACK


def test_a_message_for_too_many_recipients_is_refused(sendmail, sink, sender):
    """Sendmail takes any number, and Lockbox records so many."""
    message = messages.plain(ALICE, [DAVE])
    with sendmail.client() as client:
        assert client.command(f"MAIL FROM:<{sender}>").code == 250
        for begin in range(0, RECIPIENTS + 1, AT_ONCE):
            numbers = range(begin, min(begin + AT_ONCE, RECIPIENTS + 1))
            client.send(b"".join(b"RCPT TO:<r%d@elsewhere.test>\r\n" % number for number in numbers))
            assert {client.reply().code for _ in numbers} == {250}
        reply = client.data(message.octets)
    assert (reply.code, "more than 10000 recipients" in reply.words) == (554, True), f"{reply}\n{sendmail.tail()}"
    assert message.marker.encode() not in sink.everything()

"""A line TLS-Required: no (RFC 8689) opens the outer box on Postfix 3.10 and later, and perhaps further on. Where a rule or
inbound-tls wants that box, the line does not get through."""

import pytest

from conftest import ALICE, BOB, CAROL, DAVE
from support import messages
from support.milter import Milter
from support.places import free_endpoint
from support.postfix import Postfix, version_of_postfix
from support.sealed import Delivered, check_form
from support.sendmail import Sendmail
from support.smtp_sink import SmtpSink
from support.waiting import wait_for

EVE = "eve@elsewhere.test"  # no certificate, and no rule that says `require`

RULES = [("rule", "to=@remote.test require"), ("rule", "prefer")]
TLS_FOR_ALL = [("inbound-tls", "require"), ("rule", "prefer")]

# As people, programs and attackers write it. Postfix obeys "no" in any case; RFC 8689 §3 knows no other value.
FIELDS = {
    "no": b"TLS-Required: no\r\n",
    "case": b"tls-REQUIRED:NO\r\n",
    "folded": b"TLS-Required:\r\n No\r\n",
    "several": b"TLS-Required: yes\r\nTLS-Required: no\r\nTLS-Required: No\r\n",
    "other": b"TLS-Required: maybe\r\n",
}
FIELD = FIELDS["no"]


class Server:
    """A mail server with its milter, and what it delivers to."""

    def __init__(self, mta, milter, sink, home):
        self.mta, self.milter, self.sink, self.home = mta, milter, sink, home

    def submit(self, sender, recipients, octets, by="smtp"):
        """Over SMTP, or with sendmail(1)."""
        if by == "smtp":
            reply = self.mta.submit(sender, recipients, octets)
            assert reply.code == 250, f"{reply}\n{self.mta.tail()}\n{self.milter.text()}"
        else:
            assert self.mta.sendmail(sender, recipients, octets.replace(b"\r\n", b"\n")).returncode == 0

    def deliveries(self, sender, count):
        def came():
            found = self.sink.from_sender(sender)
            return found if len(found) >= count else None
        found = wait_for(came, lambda: self.mta.tail() + self.milter.text())
        assert len(found) == count
        return {delivery.addresses()[0]: Delivered(delivery.content) for delivery in found}


def configured(lockbox, name, rules, delivery, endpoint):
    way_back = [("reinject", "%s:%d" % endpoint), ("delivery", delivery)] if endpoint else []
    return [*rules, *way_back, ("journal", lockbox.folder / f"{name}.db")]


SERVERS = [(mta, delivery) for mta in ("postfix", "sendmail") for delivery in ("auto", "reinject")]


def make_server(folder, lockbox, sink, tls, home, name, rules, mta, delivery):
    endpoint = free_endpoint()
    with Milter(folder, lockbox, configured(lockbox, name, rules, delivery, endpoint), name=name) as milter:
        server = Postfix(folder / name, sink, milter.socket, tls, listener=endpoint) if mta == "postfix" else \
            Sendmail(folder / name, sink, milter.socket, listener=endpoint)
        with server:
            yield Server(server, milter, sink, home)


@pytest.fixture(scope="module", params=SERVERS, ids="-".join)
def by_rule(request, folder, lockbox, sink, tls, home):
    yield from make_server(folder, lockbox, sink, tls, home, "rule-" + "-".join(request.param), RULES, *request.param)


@pytest.fixture(scope="module", params=SERVERS, ids="-".join)
def by_inbound_tls(request, folder, lockbox, sink, tls, home):
    yield from make_server(folder, lockbox, sink, tls, home, "tls-" + "-".join(request.param), TLS_FOR_ALL, *request.param)


@pytest.fixture(scope="module")
def without_a_way_back(folder, lockbox, sink, tls, home):
    with Milter(folder, lockbox, configured(lockbox, "no-way-back", RULES, "auto", None), name="no-way-back") as milter, \
            Postfix(folder / "no-way-back", sink, milter.socket, tls) as postfix:
        yield Server(postfix, milter, sink, home)


def check_gone(delivered, home=None, message=None):
    """Neither outside nor inside."""
    assert not delivered.values("TLS-Required")
    if home:
        assert b"tls-required" not in home.decrypt(check_form(delivered, message)).lower()


@pytest.mark.parametrize("field", FIELDS)
def test_the_field_is_taken_from_a_sealed_message(by_rule, sender, field):
    """One copy for all, which would be edited in place otherwise."""
    message = messages.plain(ALICE, [BOB])
    by_rule.submit(sender, [BOB], FIELDS[field] + message.octets)
    check_gone(by_rule.deliveries(sender, 1)[BOB], by_rule.home, message)


def test_from_sendmail_too(by_rule, sender):
    message = messages.plain(ALICE, [BOB])
    by_rule.submit(sender, [BOB], FIELD + message.octets, "sendmail")
    check_gone(by_rule.deliveries(sender, 1)[BOB], by_rule.home, message)


def test_the_field_is_taken_from_all_copies(by_rule, sender):
    """Bob's rule says `require`; Eve's does not, and the message is one."""
    message = messages.plain(ALICE, [BOB, EVE])
    by_rule.submit(sender, [BOB, CAROL, EVE], FIELD + message.octets)
    deliveries = by_rule.deliveries(sender, 3)
    check_gone(deliveries[BOB], by_rule.home, message)
    check_gone(deliveries[CAROL], by_rule.home, message)
    check_gone(deliveries[EVE])
    assert deliveries[EVE].body == message.delivered_body


def test_the_field_is_taken_from_what_is_sealed_already(by_rule, sender):
    message = messages.openpgp_mime(ALICE, [BOB], by_rule.home)
    by_rule.submit(sender, [BOB, DAVE], FIELD + message.octets)
    delivered = next(iter(by_rule.deliveries(sender, 1).values()))
    check_gone(delivered)
    assert delivered.body == message.delivered_body
    assert delivered.values("Subject") == message.values("Subject")


def test_without_the_field_what_is_sealed_already_stays_in_place(by_rule, sender):
    message = messages.openpgp_mime(ALICE, [BOB], by_rule.home)
    by_rule.submit(sender, [BOB], message.octets)
    by_rule.deliveries(sender, 1)
    assert by_rule.milter.wait_for_line("passed, copies=0")


def test_a_wish_that_no_rule_is_against_stays(by_rule, sender):
    """Nobody here wants the outer box for Eve."""
    message = messages.plain(ALICE, [EVE])
    by_rule.submit(sender, [EVE], FIELD + message.octets)
    delivered = by_rule.deliveries(sender, 1)[EVE]
    assert delivered.values("TLS-Required") == [b" no"] and delivered.body == message.delivered_body


@pytest.mark.parametrize("by", ["smtp", "sendmail"])
def test_inbound_tls_takes_it_from_what_is_in_clear(by_inbound_tls, sender, by):
    """A message that would pass untouched."""
    message = messages.plain(ALICE, [EVE])
    by_inbound_tls.submit(sender, [EVE], FIELD + message.octets, by)
    delivered = by_inbound_tls.deliveries(sender, 1)[EVE]
    check_gone(delivered)
    assert delivered.body == message.delivered_body
    assert delivered.values("Subject") == message.values("Subject")


@pytest.mark.parametrize("make", [messages.plain, lambda sender, recipients: None], ids=["plain", "sealed-already"])
def test_refused_where_there_is_no_way_back(without_a_way_back, sender, make):
    message = make(ALICE, [BOB]) or messages.openpgp_mime(ALICE, [BOB], without_a_way_back.home)
    reply = without_a_way_back.mta.submit(sender, [BOB], FIELD + message.octets)
    assert reply.code == 550 and "5.7.10" in str(reply) and "TLS-Required" in str(reply)
    assert not without_a_way_back.sink.from_sender(sender)
    assert without_a_way_back.mta.submit(sender, [BOB], message.octets).code == 250
    without_a_way_back.deliveries(sender, 1)


def test_no_way_back_and_no_rule_against_it(without_a_way_back, sender):
    message = messages.plain(ALICE, [EVE])
    without_a_way_back.submit(sender, [EVE], FIELD + message.octets)
    assert without_a_way_back.deliveries(sender, 1)[EVE].values("TLS-Required") == [b" no"]


# ── a Postfix that obeys the field ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def without_tls():
    with SmtpSink() as sink:
        yield sink


@pytest.mark.parametrize("level", ["encrypt", "secure"])
@pytest.mark.parametrize("delivery", ["auto", "reinject"])
@pytest.mark.parametrize("rules", [RULES, TLS_FOR_ALL], ids=["rule", "inbound-tls"])
def test_postfix_3_10_sends_nothing_without_tls(folder, lockbox, without_tls, tls, sender, level, delivery, rules):
    """main.cf wants TLS, and does not say tls_required_enable = no; the other side has none."""
    if version_of_postfix() < (3, 10):
        pytest.skip("Postfix before 3.10 does not know TLS-Required: the field does nothing")
    name = f"obeys-{level}-{delivery}-{'rule' if rules is RULES else 'tls'}"
    endpoint = free_endpoint()
    with Milter(folder, lockbox, configured(lockbox, name, rules, delivery, endpoint), name=name) as milter, \
            Postfix(folder / name, without_tls, milter.socket, tls, outbound_tls=level, listener=endpoint) as postfix:
        for by, recipients in (("smtp", [BOB]), ("sendmail", [BOB]), ("smtp", [BOB, EVE]), ("sendmail", [BOB, EVE])):
            message = messages.plain(ALICE, recipients)
            own = f"{by}{len(recipients)}-{sender}"
            Server(postfix, milter, without_tls, None).submit(own, recipients, FIELD + message.octets, by)

            def waits():
                deferred = [recipient["address"] for entry in postfix.queued(own) for recipient in entry["recipients"]
                            if "TLS is required" in recipient.get("delay_reason", "")]
                return sorted(deferred) == sorted(recipients)
            wait_for(waits, lambda: f"all wait for TLS: {postfix.queued(own)}\n{postfix.tail()}\n{milter.text()}")
        assert not without_tls.deliveries

"""What the rules and the other settings make of a message, as the client of a real Postfix sees it."""

import re
import time

import pytest

from conftest import ALICE, BOB, CAROL, DAVE
from support import messages
from support.places import free_endpoint
from support.postfix import Postfix
from support.sealed import Delivered, check_form, check_nothing_leaks
from support.smtp_client import SmtpClient
from support.waiting import wait_for

REMOTE = "192.0.2.77"


@pytest.fixture
def settings(milter):
    """Gives the running milter other settings for one test."""
    def change(*pairs):
        start = len(milter.lines())
        milter.configure(pairs)
        milter.reload()
        milter.wait_for_line(" reload: done", start=start)
    yield change
    change(("rule", "to=@remote.test require"))


@pytest.fixture(scope="module")
def postfix(folder, sink, milter, tls):
    """With permission for the tests to appear as any client (XCLIENT_README), and a second service that says that it is
    for submission."""
    settings = {"smtpd_authorized_xclient_hosts": "127.0.0.0/8", "mynetworks": f"127.0.0.0/8 {REMOTE}/32"}
    host, port = free_endpoint()
    services = f"{host}:{port} inet n - n - - smtpd\n  -o milter_macro_daemon_name=ORIGINATING\n"
    with Postfix(folder / "postfix", sink, milter.socket, tls, settings, services) as postfix:
        postfix.submission = (host, port)
        yield postfix


def plain(*recipients):
    return messages.plain(ALICE, recipients or [BOB])


def as_client(client, address=REMOTE, **attributes):
    """Makes Postfix, and through it the milter, believe that another host is connected."""
    words = " ".join(f"{name.upper()}={value}" for name, value in {"addr": address, "name": "host.example.com",
                                                                   **attributes}.items())
    assert client.command(f"XCLIENT {words}").code == 220
    assert client.command("EHLO host.example.com").code == 250


def check_sealed(sink, postfix, sender, message):
    delivery = sink.wait_for(sender, diagnosis=postfix.tail)
    check_nothing_leaks(delivery.wire, message)
    return check_form(Delivered(delivery.content), message)


def check_clear(sink, postfix, sender, message):
    delivered = Delivered(sink.wait_for(sender, diagnosis=postfix.tail).content)
    assert delivered.body == message.delivered_body
    assert delivered.values("Subject") == message.values("Subject")


def check_not_sent(sink, postfix, sender):
    assert not postfix.queued(sender)
    assert not sink.from_sender(sender)


def log_line(milter, part):
    return milter.wait_for_line(part)


# ── rules ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_require_without_certificate_is_refused(postfix, sink, milter, settings, sender):
    settings(("rule", "to=@remote.test require"))
    message = plain(DAVE)
    reply = postfix.submit(sender, [DAVE], message.octets)
    assert reply.code == 550
    assert f"<{DAVE}>: no certificate" in reply.words
    check_not_sent(sink, postfix, sender)
    line = log_line(milter, f"<{DAVE}>")
    assert ": refused, " in line and message.marker not in line


def test_every_recipient_concerned_is_named(postfix, sink, settings, sender):
    settings(("rule", "to=@remote.test require"))
    others = [f"nobody{number}@remote.test" for number in range(20)]
    reply = postfix.submit(sender, [BOB, DAVE, *others], plain(BOB, DAVE, *others).octets)
    assert reply.code == 550
    for address in [DAVE, *others]:
        assert f"<{address}>: no certificate" in reply.words
    assert BOB not in reply.words
    check_not_sent(sink, postfix, sender)


def test_the_sender_of_a_refused_local_message_gets_it_back_without_its_text(postfix, sink, settings, sender):
    """Postfix forbids a refusal at RCPT for local submission; at the end of the message it makes a bounce."""
    settings(("rule", "to=@remote.test require"))
    message = plain(DAVE)
    assert postfix.sendmail(sender, [DAVE], message.local()).returncode == 0

    def bounce():
        return [delivery for delivery in sink.from_sender("") if sender in delivery.addresses()]
    delivery = wait_for(bounce, postfix.tail, 60)[0]
    assert f"<{DAVE}>: no certificate".encode() in delivery.content.replace(b"\r\n", b" ").replace(b"    ", b"")
    assert b"Line 1 of a text" not in delivery.content
    assert not sink.from_sender(sender)


def test_require_can_defer(postfix, sink, settings, sender):
    settings(("rule", "to=@remote.test require defer"))
    reply = postfix.submit(sender, [DAVE], plain(DAVE).octets)
    assert reply.code == 451
    assert f"<{DAVE}>: no certificate" in reply.words
    check_not_sent(sink, postfix, sender)


def test_prefer_without_certificate_is_clear(postfix, sink, settings, sender):
    settings(("rule", "to=@remote.test prefer"))
    message = plain(DAVE)
    assert postfix.submit(sender, [DAVE], message.octets).code == 250
    check_clear(sink, postfix, sender, message)


def test_without_any_rule_a_certificate_is_used(postfix, sink, settings, sender, home):
    settings()
    message = plain(BOB)
    assert postfix.submit(sender, [BOB], message.octets).code == 250
    home.decrypt(check_sealed(sink, postfix, sender, message))


def test_never_is_clear(postfix, sink, settings, sender):
    settings(("rule", f"to={BOB} never"), ("rule", "require"))
    message = plain(BOB)
    assert postfix.submit(sender, [BOB], message.octets).code == 250
    check_clear(sink, postfix, sender, message)


def test_the_first_rule_that_matches_decides(postfix, sink, settings):
    settings(("rule", "from=@quiet.example.org never"), ("rule", "to=@.remote.test require"), ("rule", "to=* never"))
    for number, (sender, recipient, expected) in enumerate([
            ("a@quiet.example.org", DAVE, "clear"),
            ("b@loud.example.org", DAVE, "refused"),
            ("c@loud.example.org", "x@sub.remote.test", "refused"),
            ("d@loud.example.org", "x@notremote.test", "clear")]):
        message = plain(recipient)
        reply = postfix.submit(sender, [recipient], message.octets)
        assert reply.code == (550 if expected == "refused" else 250), (number, reply)
        if expected == "clear":
            check_clear(sink, postfix, sender, message)


def test_an_address_matches_without_regard_to_case(postfix, sink, settings, sender, home):
    settings(("rule", "to=@REMOTE.test require"))
    message = plain("BOB@Remote.Test")
    assert postfix.submit(sender, ["BOB@Remote.Test"], message.octets).code == 250
    assert sink.wait_for(sender).addresses()[0].lower() == BOB
    home.decrypt(check_sealed(sink, postfix, sender, message))


def test_a_similar_address_does_not_match(postfix, settings, sender):
    settings(("rule", "require"))
    for address in ("bob-ext@remote.test", "bob@sub.remote.test", "bob@remote.test.example", "xbob@remote.test"):
        assert postfix.submit(sender, [address], plain(address).octets).code == 550, address


def test_an_extension_leads_to_the_certificate_of_the_whole_mailbox(postfix, sink, settings, home, sender):
    address = "bob+ext@remote.test"
    message = plain(address)
    settings(("rule", "require"))
    assert postfix.submit(sender, [address], message.octets).code == 250
    home.decrypt(check_sealed(sink, postfix, sender, message))
    settings(("rule", "require"), ("subaddress-separator", ""))
    assert postfix.submit(sender, [address], message.octets).code == 550


def test_a_copy_in_clear_is_logged_with_its_recipients_and_rules(postfix, sink, milter, settings, sender):
    settings(("rule", "to=carol@remote.test never"), ("rule", "prefer"))
    start = len(milter.lines())
    assert postfix.submit(sender, [CAROL, DAVE], plain(CAROL, DAVE).octets).code == 250
    line = milter.wait_for_line("copy 1 of 1: clear", start=start)
    assert line.endswith(f'copy 1 of 1: clear, to="<{CAROL}>,<{DAVE}>", rule="1,2"')


def test_out_of_scope_where_a_rule_says_require_is_a_warning(postfix, sink, milter, settings, sender):
    """Postfix relays for the network, and Lockbox does not know it."""
    settings(("rule", "to=@elsewhere.test prefer"), ("rule", "to=@remote.test require"))
    start = len(milter.lines())
    message = plain(BOB)
    with postfix.client() as client:
        as_client(client)
        assert client.submit(sender, [BOB], message.octets).code == 250
    check_clear(sink, postfix, sender, message)
    line = milter.wait_for_line("passed", start=start)
    assert " warning: " in line
    assert f"rule 2 (to=@remote.test require) wants <{BOB}> sealed to, but the client {REMOTE} " in line


def test_the_null_reverse_path_is_sealed_too(postfix, sink, settings, home):
    settings(("rule", "require"))
    message = plain(BOB)
    assert postfix.submit("", [BOB], message.octets).code == 250

    def delivered():
        return [delivery for delivery in sink.from_sender("") if BOB in delivery.addresses()]
    delivery = wait_for(delivered, postfix.tail, 60)[-1]
    check_nothing_leaks(delivery.wire, message)
    home.decrypt(check_form(Delivered(delivery.content), message))


# ── certificates that are there and cannot be used ────────────────────────────────────────────────────────────────────


def test_expired_between_import_and_sending(postfix, sink, settings, lockbox, home, sender):
    """No silent downgrade: who could be sealed to is not sent plaintext because the certificate ran out."""
    address = "erin@remote.test"
    home.generate(f"Erin <{address}>", expire="seconds=4")
    lockbox.import_from(home, address)
    settings(("rule", "to=@remote.test prefer"))

    def expired():
        return b"expired" in lockbox.run("explain", "--from", ALICE, "--to", address, status=None)
    wait_for(expired, "the certificate expires", 30)
    reply = postfix.submit(sender, [address], plain(address).octets)
    assert reply.code == 550
    # In UTC, as everything that a certificate says; a test that runs over midnight may see either day.
    days = {time.strftime("%Y-%m-%d", time.gmtime(time.time() - ago)) for ago in (0, 60)}
    assert re.search(rf"<{address}>: certificate expired on ({'|'.join(days)})", reply.words)
    check_not_sent(sink, postfix, sender)

    settings(("rule", "to=@remote.test prefer clear-if-unusable"))
    message = plain(address)
    assert postfix.submit(sender, [address], message.octets).code == 250
    check_clear(sink, postfix, sender, message)


def test_revoked_after_import(postfix, sink, settings, lockbox, home, sender):
    address = "frank@remote.test"
    fingerprint = home.generate(f"Frank <{address}>")
    lockbox.import_from(home, address)
    settings(("rule", "to=@remote.test prefer"))
    message = plain(address)
    assert postfix.submit(sender, [address], message.octets).code == 250
    check_sealed(sink, postfix, sender, message)

    home.revoke(fingerprint)
    lockbox.run("import", "-", input=home.export(address))
    reply = postfix.submit(f"revoked-{sender}", [address], plain(address).octets)
    assert reply.code == 550
    assert f"<{address}>: certificate" in reply.words and "revoked" in reply.words
    check_not_sent(sink, postfix, f"revoked-{sender}")


def test_an_import_is_seen_at_the_next_message(postfix, sink, settings, lockbox, home, sender):
    address = "grace@remote.test"
    home.generate(f"Grace <{address}>", "rsa2048")
    settings(("rule", "require"))
    assert postfix.submit(sender, [address], plain(address).octets).code == 550
    lockbox.import_from(home, address)
    message = plain(address)
    assert postfix.submit(sender, [address], message.octets).code == 250
    home.decrypt(check_sealed(sink, postfix, sender, message))


# ── messages that would need several copies ───────────────────────────────────────────────────────────────────────────


def test_bcc_is_deferred_with_the_reason(postfix, sink, settings, sender):
    settings(("rule", "require"))
    message = plain(BOB)
    reply = postfix.submit(sender, [BOB, CAROL], message.octets)
    assert reply.code == 451
    assert "2 different copies for its recipients, and the way back for them (reinject) is not configured" in reply.words
    check_not_sent(sink, postfix, sender)


def test_sealed_beside_clear_is_deferred(postfix, sink, settings, sender):
    settings(("rule", "prefer"))
    reply = postfix.submit(sender, [BOB, DAVE], plain(BOB, DAVE).octets)
    assert reply.code == 451
    assert "2 different copies for its recipients, and the way back for them (reinject) is not configured" in reply.words
    check_not_sent(sink, postfix, sender)


def test_one_bcc_alone_is_sealed(postfix, sink, settings, sender, home):
    settings(("rule", "require"))
    message = plain("list@elsewhere.test")
    assert postfix.submit(sender, [BOB], message.octets).code == 250
    home.decrypt(check_sealed(sink, postfix, sender, message))


# ── scope ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def send_as(postfix, sender, recipient, message, endpoint=None, **attributes):
    with SmtpClient(*(endpoint or (postfix.host, postfix.port))) as client:
        as_client(client, **attributes)
        return client.submit(sender, [recipient], message.octets)


def test_mail_from_elsewhere_is_out_of_scope(postfix, sink, milter, settings, sender):
    settings(("rule", "require"))
    message = plain(BOB)
    reply = send_as(postfix, sender, BOB, message)
    assert reply.code == 250
    check_clear(sink, postfix, sender, message)
    queue_id = re.search(r"queued as (\S+)", reply.text).group(1)
    assert f" {queue_id}: passed, " in milter.line_of(queue_id)


@pytest.mark.parametrize("pairs, attributes", [
    ([("trusted-networks", "192.0.2.0/24")], {}),
    ([("submission-daemon", "ORIGINATING")], {}),
    ([("scope", "all")], {}),
    ([("scope", "incoming"), ("incoming-domain", "remote.test")], {}),
    ([], {"login": "alice"}),
], ids=["trusted network", "submission service", "scope all", "incoming", "login"])
def test_what_brings_it_into_scope(postfix, sink, settings, sender, home, pairs, attributes):
    settings(*pairs, ("rule", "require"))
    message = plain(BOB)
    endpoint = postfix.submission if ("submission-daemon", "ORIGINATING") in pairs else None
    reply = send_as(postfix, sender, BOB, message, endpoint, **attributes)
    assert reply.code == 250, reply
    home.decrypt(check_sealed(sink, postfix, sender, message))


def test_scope_incoming_leaves_other_domains_alone(postfix, sink, settings, sender):
    settings(("scope", "incoming"), ("incoming-domain", "example.org"), ("rule", "require"))
    message = plain(BOB)
    assert postfix.submit(sender, [BOB], message.octets).code == 250
    check_clear(sink, postfix, sender, message)


# ── TLS on the way in ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_inbound_tls_required(postfix, sink, settings, sender):
    settings(("inbound-tls", "require"), ("scope", "all"), ("rule", "require"))
    with postfix.client() as client:
        as_client(client)
        reply = client.command(f"MAIL FROM:<{sender}>")
        assert reply.code == 530, "a remote client without TLS is told before it sends anything"
        assert "TLS" in reply.words
    message = plain(BOB)
    with postfix.client() as client:
        assert client.starttls().code == 220
        assert client.submit(sender, [BOB], message.octets).code == 250
    check_sealed(sink, postfix, sender, message)


def test_inbound_tls_is_not_asked_of_this_machine(postfix, sink, settings, sender):
    settings(("inbound-tls", "require"), ("rule", "require"))
    message = plain(BOB)
    assert postfix.submit(sender, [BOB], message.octets).code == 250
    check_sealed(sink, postfix, sender, message)


# ── limits ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_too_large_is_refused_with_the_limit(postfix, sink, settings, sender):
    settings(("message-size-max", "200000"), ("rule", "require"))
    message = messages.attachment(ALICE, [BOB], 300_000)
    reply = postfix.submit(sender, [BOB], message.octets)
    assert reply.code == 552
    assert "200000" in reply.words and "message-size-max" in reply.words
    check_not_sent(sink, postfix, sender)
    small = plain(BOB)
    assert postfix.submit(sender, [BOB], small.octets).code == 250
    check_sealed(sink, postfix, sender, small)


def test_a_wrong_configuration_is_not_taken_at_reload(postfix, sink, milter, settings, sender):
    settings(("rule", "to=@remote.test require"))
    start = len(milter.lines())
    milter.configure([("rule", "to=@remote.test perhaps")])
    milter.reload()
    line = milter.wait_for_line(" reload: refused", start=start)
    assert "perhaps" in line and "milter.conf:" in line
    assert postfix.submit(sender, [DAVE], plain(DAVE).octets).code == 550
    check_not_sent(sink, postfix, sender)


def test_reload_keeps_connections(postfix, sink, settings, home, sender):
    """A connection that was there before is judged by the new rules at its next message."""
    settings(("rule", "never"))
    with postfix.client() as client:
        first = plain(BOB)
        assert client.submit(f"first-{sender}", [BOB], first.octets).code == 250
        settings(("rule", "require"))
        second = plain(BOB)
        assert client.submit(f"second-{sender}", [BOB], second.octets).code == 250
    check_clear(sink, postfix, f"first-{sender}", first)
    home.decrypt(check_sealed(sink, postfix, f"second-{sender}", second))

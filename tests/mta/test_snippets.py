"""What contrib/ tells administrators to write: Postfix and Sendmail take it, and it does what it says."""

import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import ALICE, BOB, CAROL, DAVE
from support import messages
from support.milter import Milter
from support.places import free_endpoint
from support.postfix import Postfix, version_of_postfix
from support.sealed import Delivered, check_form, check_nothing_leaks
from support.sendmail import Sendmail, unpacked
from support.smtp_client import SmtpClient
from support.smtp_sink import SmtpSink
from support.snippets import (CONTRIB, blocks, postfix_services, postfix_settings, sendmail_macros,
                              without_chroot)
from support.waiting import wait_for


@pytest.fixture(scope="module")
def by_the_book(folder, sink, milter, tls):
    """Postfix as the page has it. Only what has to do with this machine is different: no chroot, no DNS, other ports."""
    settings = postfix_settings()
    assert settings["smtpd_milters"] == "unix:lockbox/milter.sock"
    settings["smtpd_milters"] = f"unix:{milter.socket}"
    settings["smtp_tls_security_level"] = "encrypt"  # what the page says for a relay; dane wants a DNSSEC resolver
    del settings["smtp_dns_support_level"]
    with Postfix(folder / "by-the-book", sink, None, tls, settings) as postfix:
        yield postfix


def test_postfix_knows_every_setting(by_the_book):
    """postconf(1) warns of parameters that nothing uses."""
    done = subprocess.run(["postconf", "-c", str(by_the_book.etc), "-n"], capture_output=True, text=True, check=True)
    assert "unused parameter" not in done.stderr, done.stderr
    for name in postfix_settings():
        if name != "smtp_dns_support_level":
            assert f"{name} = " in done.stdout


def surprises(warnings):
    """What postconf(1) warns of, but for what the page announces: each of the two releases has a setting of the transport
    smtp-tls that the other one needs."""
    announced = [r"unused parameter: tls_required_enable=no$"] if version_of_postfix() < (3, 10) else [
        r'support for parameter "smtp_tls_per_site" will be removed']
    return [line for line in warnings.splitlines() if not any(re.search(pattern, line) for pattern in announced)]


def test_postfix_takes_the_page_word_for_word(folder):
    """In a configuration that is only read."""
    etc = folder.make("read-only-etc")
    (etc / "main.cf").write_text("compatibility_level = 3.6\n" + "".join(f"{name} = {value}\n" for name, value
                                                                          in postfix_settings().items()))
    (etc / "master.cf").write_text(postfix_services())
    done = subprocess.run(["postconf", "-c", str(etc), "-n"], capture_output=True, text=True, check=True)
    assert "warning" not in done.stderr, done.stderr
    services = subprocess.run(["postconf", "-c", str(etc), "-P"], capture_output=True, text=True, check=True)
    assert "submission/inet/milter_macro_daemon_name = ORIGINATING" in services.stdout
    assert "127.0.0.1:226/inet/milter_macro_daemon_name = lockbox-reinject" in services.stdout
    assert "warning" not in services.stderr, services.stderr
    level = subprocess.run(["postconf", "-c", str(etc), "-h", "smtp_tls_security_level"], capture_output=True, text=True,
                           check=True)
    assert level.stdout.strip() == "dane"
    (etc / "master.cf").write_text(postfix_services("# routing, master.cf"))
    services = subprocess.run(["postconf", "-c", str(etc), "-P"], capture_output=True, text=True, check=True)
    for setting in ("smtp_tls_security_level = encrypt", "smtp_tls_policy_maps =", "smtp_tls_per_site =",
                    "tls_required_enable = no"):
        assert f"smtp-tls/unix/{setting}\n" in services.stdout
    assert not surprises(services.stderr)
    (etc / "master.cf").write_text(postfix_services("# incoming, master.cf"))
    services = subprocess.run(["postconf", "-c", str(etc), "-P"], capture_output=True, text=True, check=True)
    assert "submission/inet/smtpd_milters = unix:lockbox/milter.sock,unix:opendkim/opendkim.sock" in services.stdout
    assert "warning" not in services.stderr, services.stderr


def test_postfix_undo_names_every_setting():
    undo = re.findall(r"^postconf -X (.*)$", (CONTRIB / "postfix/README.md").read_text(), re.MULTILINE)
    assert set(" ".join(undo).split()) == {name for first_words in ("# main.cf", "# postfix 3.10, main.cf", "# routing, main.cf")
                                           for name in postfix_settings(first_words)}


def test_postfix_3_10_knows_the_setting_that_is_for_it(folder):
    settings = postfix_settings("# postfix 3.10, main.cf")
    assert settings == {"tls_required_enable": "no"}
    if version_of_postfix() < (3, 10):
        pytest.skip("Postfix before 3.10 does not know TLS-Required, and needs no setting")
    etc = folder.make("postfix-3.10-etc")
    (etc / "main.cf").write_text("compatibility_level = 3.6\ntls_required_enable = no\n")
    (etc / "master.cf").write_text("")
    done = subprocess.run(["postconf", "-c", str(etc), "-n"], capture_output=True, text=True, check=True)
    assert "tls_required_enable = no\n" in done.stdout and "warning" not in done.stderr


def test_postfix_seals_by_the_book(by_the_book, sink, home, sender):
    message = messages.plain(ALICE, [BOB])
    assert by_the_book.submit(sender, [BOB], message.octets).code == 250
    delivery = sink.wait_for(sender, diagnosis=by_the_book.tail)
    assert delivery.tls
    home.decrypt(check_form(Delivered(delivery.content), message))
    assert by_the_book.sendmail(f"local-{sender}", [BOB], message.local()).returncode == 0
    check_form(Delivered(sink.wait_for(f"local-{sender}", diagnosis=by_the_book.tail).content), message)


def test_a_message_of_the_size_that_is_offered_gets_through(by_the_book, sink, home, sender):
    """smtpd must not accept what cleanup cannot hold twice: the page gives both numbers."""
    offered = int(re.search(r"-o message_size_limit=(\d+)", postfix_services()).group(1))
    # A body that, with its header, comes close to the limit.
    message = messages.attachment(ALICE, [BOB], int((offered - 20_000) / 1.37))
    assert 0.95 * offered < len(message.octets) < offered
    reply = by_the_book.submit(sender, [BOB], message.octets)
    assert reply.code == 250, f"{reply}\n{by_the_book.tail()}"
    delivery = sink.wait_for(sender, 120, diagnosis=by_the_book.tail)
    assert message.marker.encode() not in delivery.wire


def test_postfix_refuses_a_smuggled_message(by_the_book, sink, sender):
    """smtpd_forbid_bare_newline: "\\n.\\r\\n" ends no message."""
    message = messages.plain(ALICE, [BOB])
    with by_the_book.client() as client:
        client.command(f"MAIL FROM:<{sender}>")
        client.command(f"RCPT TO:<{BOB}>")
        assert client.command("DATA").code == 354
        client.send(message.octets + b"\n.\r\nMAIL FROM:<smuggled@example.org>\r\nRCPT TO:<bob@remote.test>\r\nDATA\r\n"
                    b"Subject: smuggled\r\n\r\nin clear\r\n.\r\n")
        assert client.reply().code >= 500 or not sink.from_sender("smuggled@example.org")
    assert not sink.from_sender("smuggled@example.org")
    assert b"in clear" not in sink.everything()


# ── the way back ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module", params=["auto", "reinject"])
def with_a_way_back(request, folder, lockbox):
    """A milter with a listener of its own, whose MTA is still to come."""
    endpoint = free_endpoint()
    settings = [("reinject", "%s:%d" % endpoint), ("delivery", request.param), ("rule", "prefer"),
                ("journal", lockbox.folder / f"snippets-{request.param}.db")]
    with Milter(folder, lockbox, settings, name=f"way-back-{request.param}") as milter:
        milter.listener, milter.delivery = endpoint, request.param
        yield milter


def main_cf_that_would_be_in_the_way():
    """Restrictions that administrators have, and that no copy passes."""
    return {"smtpd_helo_required": "yes", "smtpd_helo_restrictions": "reject_unknown_helo_hostname",
            "smtpd_sender_restrictions": "reject", "smtpd_client_restrictions": "reject",
            "smtpd_data_restrictions": "reject", "smtpd_end_of_data_restrictions": "reject",
            "smtpd_recipient_restrictions": "reject", "smtpd_client_connection_count_limit": "1",
            "default_process_limit": "2"}


@pytest.fixture(scope="module")
def postfix_with_a_way_back(folder, sink, with_a_way_back, tls):
    settings = postfix_settings()
    settings["smtpd_milters"] = f"unix:{with_a_way_back.socket}"
    settings["smtp_tls_security_level"] = "encrypt"
    del settings["smtp_dns_support_level"]
    offered = re.search(r"-o message_size_limit=\d+", postfix_services("# master.cf: the offer to clients")).group(0)
    listener, = blocks(CONTRIB / "postfix/README.md", "# master.cf: the way back")
    listener = without_chroot(listener).replace("unix:lockbox/milter.sock", settings["smtpd_milters"])
    listener = listener.replace("127.0.0.1:226", "%s:%d" % with_a_way_back.listener)
    in_the_way = main_cf_that_would_be_in_the_way()
    entrance = [offered, *(f"-o {name}=" for name in in_the_way if name.endswith("_restrictions"))]
    return Postfix(folder / f"way-back-{with_a_way_back.delivery}", sink, None, tls, {**settings, **in_the_way}, listener,
                   entrance=entrance)


@pytest.fixture(scope="module")
def sendmail_with_a_way_back(folder, sink, with_a_way_back):
    macros = "".join(sendmail_macros()).replace("/run/lockbox/milter.sock", str(with_a_way_back.socket))
    macros = re.sub(r"FEATURE\(`access_db'.*", "", macros)
    assert "Addr=127.0.0.1, Port=226" in macros
    macros = macros.replace("Addr=127.0.0.1, Port=226", "Addr=%s, Port=%d" % with_a_way_back.listener)
    return Sendmail(folder / f"sendmail-way-back-{with_a_way_back.delivery}", sink, extra=macros)


@pytest.fixture(params=["postfix", "sendmail"])
def way_back(request, with_a_way_back):
    """One at a time: both listen at the same place."""
    server = request.getfixturevalue(f"{request.param}_with_a_way_back")
    server.start()
    yield server
    server.stop()


def check_three_copies(sink, home, sender, message, tail):
    def came():
        deliveries = sink.from_sender(sender)
        return deliveries if len(deliveries) >= 3 else None
    deliveries = wait_for(came, tail)
    assert sorted(delivery.addresses() for delivery in deliveries) == [[BOB], [CAROL], [DAVE]]
    for delivery in deliveries:
        if delivery.addresses() == [DAVE]:
            assert Delivered(delivery.content).body == message.delivered_body
            continue
        check_nothing_leaks(delivery.wire, message)
        home.decrypt(check_form(Delivered(delivery.content), message))


def test_sealed_clear_and_hidden_by_the_book(way_back, sink, home, sender):
    message = messages.plain(ALICE, [BOB, DAVE])
    reply = way_back.submit(sender, [BOB, DAVE, CAROL], message.octets)
    assert reply.code == 250, f"{reply}\n{way_back.tail()}"
    check_three_copies(sink, home, sender, message, way_back.tail)
    local = messages.plain(ALICE, [BOB, DAVE])
    assert way_back.sendmail(f"local-{sender}", [BOB, DAVE, CAROL], local.local()).returncode == 0
    check_three_copies(sink, home, f"local-{sender}", local, way_back.tail)


def test_nobody_else_gets_in(way_back, with_a_way_back, sink, sender):
    """Not a local user, not one who knows what Lockbox calls itself, and nobody at all without the milter."""
    with SmtpClient(*with_a_way_back.listener) as client:
        assert client.command("EHLO 00000000000000000000000000000000.lockbox.invalid").code == 250
        assert client.command(f"MAIL FROM:<{sender}>").code == 550
        assert client.command(f"RCPT TO:<{DAVE}>").code >= 500
        assert client.command("DATA").code >= 500
    with_a_way_back.stop()
    try:
        with SmtpClient(*with_a_way_back.listener) as client:
            replies = [client.command(line).code for line in ("EHLO me.example", f"MAIL FROM:<{sender}>", f"RCPT TO:<{DAVE}>",
                                                              "DATA")]
        assert 400 <= replies[-1] < 600 and not any(300 <= code < 400 for code in replies), replies
    finally:
        with_a_way_back.start()
    assert not sink.from_sender(sender)


def test_a_copy_of_the_largest_message_gets_back(postfix_with_a_way_back, with_a_way_back, sink, sender):
    """The listener takes more than the entrance offers."""
    postfix_with_a_way_back.start()
    try:
        offered = int(re.search(r"-o message_size_limit=(\d+)", postfix_services()).group(1))
        message = messages.attachment(ALICE, [BOB, DAVE], int((offered - 20_000) / 1.37))
        assert 0.95 * offered < len(message.octets) < offered
        reply = postfix_with_a_way_back.submit(sender, [BOB, DAVE], message.octets)
        assert reply.code == 250, f"{reply}\n{postfix_with_a_way_back.tail()}\n{with_a_way_back.text()}"
        deliveries = wait_for(lambda: len(sink.from_sender(sender)) == 2 and sink.from_sender(sender),
                              postfix_with_a_way_back.tail, 120)
        assert sorted(delivery.addresses() for delivery in deliveries) == [[BOB], [DAVE]]
    finally:
        postfix_with_a_way_back.stop()


# ── Sendmail ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def access_map(folder):
    """The page's access file, as a database."""
    text, = blocks(CONTRIB / "sendmail/README.md", "TLS_Rcpt")
    path = folder / "access"
    makemap = unpacked() / "usr/libexec/sendmail/makemap"
    subprocess.run([str(makemap), "-C", "/dev/null", "hash", str(path)], input=text.encode(), check=True,
                   env={"LD_PRELOAD": str(unpacked() / "hostname.so"), "PATH": "/usr/bin:/bin"})
    return path


def test_sendmail_seals_and_insists_on_tls_by_the_book(folder, milter, tls, home, sender, access_map):
    macros = "".join(sendmail_macros())
    assert "F=T" in macros
    macros = macros.replace("/run/lockbox/milter.sock", str(milter.socket)).replace("/etc/mail/access", str(access_map))
    # Debian's sendmail.mc declares the map's file as safe; this one lies below /tmp.
    macros = "define(`confDONT_BLAME_SENDMAIL', `MapInUnsafeDirPath')\n" + macros
    with SmtpSink(tls) as with_tls, SmtpSink() as without_tls:
        message = messages.plain(ALICE, [BOB])
        with Sendmail(folder / "sendmail-tls", with_tls, extra=macros) as server:
            assert server.submit(sender, [BOB], message.octets).code == 250
            delivery = with_tls.wait_for(sender, diagnosis=server.tail)
            assert delivery.tls
            home.decrypt(check_form(Delivered(delivery.content), message))
        other = messages.plain(ALICE, [BOB])
        with Sendmail(folder / "sendmail-no-tls", without_tls, extra=macros) as server:
            assert server.submit(sender, [BOB], other.octets).code == 250
            wait_for(lambda: any(line.startswith(b"EHLO") for line in without_tls.transcript), server.tail)
            wait_for(lambda: any(line.startswith(b"QUIT") for line in without_tls.transcript), server.tail)
            assert not without_tls.deliveries
            assert server.queue(), "the message waits in the queue"
            assert other.marker.encode() not in server.queue_text()
            # In clear, with a line that Sendmail does not obey, over SMTP and from sendmail(1).
            clear = messages.plain(ALICE, ["eve@elsewhere.test"])
            octets = b"TLS-Required: no\r\n" + clear.octets
            attempts = without_tls.transcript.count(b"QUIT\r\n")
            assert server.submit(sender, ["eve@elsewhere.test"], octets).code == 250
            wait_for(lambda: without_tls.transcript.count(b"QUIT\r\n") > attempts, server.tail)
            assert server.sendmail(sender, ["eve@elsewhere.test"], octets.replace(b"\r\n", b"\n")).returncode == 0
            wait_for(lambda: server.queue_text().count(b"TLS-Required: no") >= 2, server.tail)
            attempts = without_tls.transcript.count(b"QUIT\r\n")
            wait_for(lambda: without_tls.transcript.count(b"QUIT\r\n") > attempts + 2, server.tail)
            assert not without_tls.deliveries


def test_sendmail_log_level_keeps_the_subject_out(folder, sink, milter):
    macros = "".join(sendmail_macros()).replace("/run/lockbox/milter.sock", str(milter.socket))
    server = Sendmail(folder / "sendmail-level", sink, extra=re.sub(r"FEATURE\(`access_db'.*", "", macros))
    assert re.search(r"^O Milter\.LogLevel=8$", server.config.read_text(), re.MULTILINE)


# ── systemd ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def unit(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed: the systemd unit was NOT checked")
    program = tmp_path / "lockbox-milter"
    program.write_text("#!/bin/true\n")
    program.chmod(0o755)
    text = (CONTRIB / "systemd/lockbox-milter.service.in").read_text()
    path = tmp_path / "lockbox-milter.service"
    path.write_text(text.replace("@CMAKE_INSTALL_FULL_SBINDIR@", str(tmp_path)))
    assert "@CMAKE" not in path.read_text()
    return path


def test_systemd_understands_the_unit(unit):
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
    about_us = [line for line in (done.stdout + done.stderr).splitlines() if "lockbox" in line]
    assert not about_us, about_us


def test_the_unit_is_hardened(unit):
    """Exposure from 0 to 10, here times ten."""
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15", str(unit)],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    text = unit.read_text()
    for line in ("NoExecPaths=/", "ProtectSystem=strict", "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
                 "IPAddressDeny=any", "IPAddressAllow=localhost", "LimitNOFILE=4096", "LimitCORE=0", "MemorySwapMax=0", "NoNewPrivileges=yes"):
        assert f"\n{line}\n" in text


def test_sysusers_and_tmpfiles_agree_with_the_unit(unit):
    text = unit.read_text()
    user = re.search(r"^User=(\S+)$", text, re.MULTILINE).group(1)
    assert re.search(rf"^u {user} ", (CONTRIB / "systemd/lockbox.sysusers").read_text(), re.MULTILINE)
    state = re.search(r"^StateDirectory=(\S+)$", text, re.MULTILINE).group(1)
    assert re.search(rf"^d /var/lib/{state} 0750 {user} {user} ", (CONTRIB / "systemd/lockbox.tmpfiles").read_text(),
                     re.MULTILINE)
    assert pathlib.PurePosixPath("/var/lib") / state == pathlib.PurePosixPath("/var/lib/lockbox")


@pytest.mark.parametrize("words", [["--list", "test"], ["--missing", "demo"], ["--help"]])
def test_dependencies_say_what_they_would_do(words):
    done = subprocess.run([str(CONTRIB / "dependencies.sh"), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr

"""A milter on a TCP socket, where each step has its reply and small packets must not wait for each other."""

import subprocess

import pytest

from conftest import ALICE, BOB, REQUIRE
from support import messages
from support.milter import Milter
from support.places import free_endpoint
from support.postfix import Postfix
from support.sealed import Delivered, check_form, check_nothing_leaks


@pytest.fixture(scope="module")
def postfix(folder, sink, lockbox, tls):
    host, port = free_endpoint()
    with Milter(folder, lockbox, [("socket", f"inet:{port}@{host}"), *REQUIRE], name="tcp"):
        milters = {name: f"inet:{host}:{port}" for name in ("smtpd_milters", "non_smtpd_milters")}
        with Postfix(folder / "postfix", sink, None, tls, milters) as postfix:
            yield postfix


@pytest.mark.parametrize("shape", [messages.plain, messages.attachment], ids=lambda shape: shape.__name__)
def test_is_sealed(postfix, sink, home, sender, shape):
    message = shape(ALICE, [BOB])
    reply = postfix.submit(sender, [BOB], message.octets, message.parameters)
    assert reply.code == 250, f"{reply}\n{postfix.tail()}"
    delivery = sink.wait_for(sender, diagnosis=postfix.tail)
    check_nothing_leaks(delivery.wire, message)
    payload = home.decrypt(check_form(Delivered(delivery.content), message))
    assert payload.endswith(b"\r\n\r\n" + message.body)


# ── with a way back ───────────────────────────────────────────────────────────────────────────────────────────────────


def checked(milter):
    return subprocess.run([milter.program, "--config", str(milter.config), "--check"], capture_output=True, text=True,
                          check=False)


def test_with_a_way_back_every_local_user_can_send_and_the_administrator_is_told(folder, lockbox):
    host, port = free_endpoint()
    settings = [("socket", f"inet:{port}@{host}"), ("reinject", "127.0.0.1:10026"),
                ("journal", lockbox.folder / "tcp-journal.db")]
    words = "every user of this machine can send mail in anybody's name through the socket"
    with Milter(folder, lockbox, settings, name="tcp-way-back") as milter:
        assert milter.lines(words)
    done = checked(milter)
    assert done.returncode == 0 and words in done.stderr, done


@pytest.mark.parametrize("host", ["0.0.0.0", "localhost", "192.0.2.1"])
def test_beyond_loopback_a_way_back_is_an_error(folder, lockbox, host):
    settings = [("reinject", "127.0.0.1:10026"), ("socket", f"inet:8891@{host}")]
    milter = Milter(folder, lockbox, settings, name=f"tcp-{host}")
    line = milter.config.read_text().splitlines().index(f"socket = inet:8891@{host}") + 1
    for done in (checked(milter), subprocess.run([milter.program, "--config", str(milter.config), "--foreground"],
                                                 capture_output=True, text=True, check=False, timeout=60)):
        assert done.returncode == 78
        assert f"{milter.config}:{line}: socket: 'inet:8891@{host}' with `reinject` would hand back" in done.stderr

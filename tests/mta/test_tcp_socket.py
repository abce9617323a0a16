"""A milter on a TCP socket, where each step has its reply and small packets must not wait for each other."""

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

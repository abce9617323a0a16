#!/usr/bin/python3
"""Random messages, and a milter that is killed again and again: does everybody get theirs, once, and nobody more?

Not part of tests/run.sh. As root, after a build:  tests/mta/soak.py [--minutes 10] [--seed N]

Clients send to random envelopes over SMTP (Postfix and Sendmail) and through Postfix's sendmail(1), and try again until they
have a final answer, as mail servers do. Meanwhile the milter gets SIGKILL at random moments, and the proxy in front of the
listener cuts connections. At the end, for every message and every recipient: exactly one copy, sealed to nobody else, or in
clear where that is the rule; nothing readable on a connection for somebody who is sealed to; nothing readable in a queue.
"""

import argparse
import collections
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import messages  # noqa: E402
from support.gnupg import GnuPgHome  # noqa: E402
from support.milter import GROUP, USER, Lockbox, Milter  # noqa: E402
from support.places import Folder, free_endpoint, make_tls_certificate  # noqa: E402
from support.postfix import Postfix  # noqa: E402
from support.sealed import Delivered, check_form  # noqa: E402
from support.sendmail import Sendmail  # noqa: E402
from support.smtp_client import Disconnected  # noqa: E402
from support.smtp_proxy import Cut, SmtpProxy  # noqa: E402
from support.smtp_sink import SmtpSink  # noqa: E402
from support.waiting import wait_for  # noqa: E402

ALICE = "alice@example.org"
SEALED = [f"sealed{number}@remote.test" for number in range(4)]
CLEAR = [f"clear{number}@remote.test" for number in range(4)]


class Sent:
    def __init__(self, sender, message, recipients):
        self.sender, self.message, self.recipients = sender, message, recipients


class Soak:
    def __init__(self, folder, home, seed):
        self.random = random.Random(seed)
        self.folder, self.home = folder, home
        self.sent, self.kills, self.cuts = [], 0, 0
        self.lock = threading.Lock()
        self.over = threading.Event()

    def cut_now_and_then(self, _copy, _moment):
        if not self.over.is_set() and self.random.random() < 0.004:
            self.cuts += 1
            raise Cut
        return None

    def next_message(self):
        with self.lock:
            chosen = self.random.sample(SEALED, self.random.randrange(0, 4)) + self.random.sample(CLEAR, self.random.randrange(0, 3))
            recipients = chosen or [SEALED[0]]
            self.random.shuffle(recipients)
            named = self.random.sample(recipients, self.random.randrange(0, len(recipients) + 1)) or ["list@elsewhere.test"]
            size = self.random.choice([0, 0, 0, 3000, 300_000])
            message = messages.attachment(ALICE, named, size) if size else messages.plain(ALICE, named)
            sent = Sent(f"soak+{len(self.sent)}@example.org", message, recipients)
            self.sent.append(sent)
            return sent

    def client(self, server):
        while not self.over.is_set():
            sent = self.next_message()
            while True:
                try:
                    reply = server.submit(sent.sender, sent.recipients, sent.message.octets)
                except (OSError, Disconnected):
                    time.sleep(0.01)  # what a client does between two tries
                    continue
                if reply.code == 250:
                    break
                assert 400 <= reply.code < 500, reply
                time.sleep(0.02)

    def local_client(self, postfix):
        while not self.over.is_set():
            sent = self.next_message()
            done = postfix.sendmail(sent.sender, sent.recipients, sent.message.local())
            assert done.returncode == 0, done.stderr
            postfix.wake_pickup()
            time.sleep(0.05)

    def killer(self, milters):
        while not self.over.is_set():
            time.sleep(self.random.uniform(0.05, 1.0))
            milter = self.random.choice(milters)
            milter.kill()
            self.kills += 1
            milter.start()

    def check(self, sink, servers):
        problems = []
        came = collections.defaultdict(list)
        for delivery in sink.deliveries:
            came[delivery.sender()].append(delivery)
        for sent in self.sent:
            deliveries = came[sent.sender]
            got = collections.Counter(address for delivery in deliveries for address in delivery.addresses())
            if got != collections.Counter(sent.recipients):
                problems.append(f"{sent.sender} to {sent.recipients}: came {dict(got)}")
            marker = sent.message.marker.encode()
            for delivery in deliveries:
                addresses = delivery.addresses()
                if all(address in CLEAR for address in addresses):
                    if Delivered(delivery.content).body != sent.message.delivered_body:
                        problems.append(f"{sent.sender}: another text in clear")
                    continue
                if marker in delivery.wire:
                    problems.append(f"{sent.sender}: readable on the wire to {addresses}")
                    continue
                armor = check_form(Delivered(delivery.content), sent.message)
                if not self.home.decrypt(armor).endswith(b"\r\n\r\n" + sent.message.delivered_body):
                    problems.append(f"{sent.sender}: another text inside")
                keys = self.home.run("--list-packets", "--list-only", input=armor).decode().count(":pubkey enc packet:")
                if keys != len(addresses):
                    problems.append(f"{sent.sender}: sealed to {keys} keys for {addresses}")
        for server in servers:
            for path in (server.base / "queue").rglob("*"):
                if path.is_file() and b"marker" in path.read_bytes():
                    problems.append(f"readable in the queue: {path}")
        return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    arguments = parser.parse_args()
    print(f"soak: seed {arguments.seed}, {arguments.minutes:g} minutes", flush=True)
    with Folder() as folder, GnuPgHome() as home:
        for address in SEALED:
            home.generate(f"Somebody <{address}>")
        tls = make_tls_certificate(folder.path)
        lockbox = Lockbox(folder)
        lockbox.import_from(home, *SEALED)
        soak = Soak(folder, home, arguments.seed)
        sockets = {name: folder.make_for_socket(USER, GROUP) / "socket" for name in ("postfix", "sendmail")}
        with SmtpSink(tls) as sink, \
                Postfix(folder / "postfix", sink, sockets["postfix"], tls, listener=free_endpoint()) as postfix, \
                Sendmail(folder / "sendmail", sink, sockets["sendmail"], listener=free_endpoint()) as sendmail, \
                SmtpProxy(postfix.listener) as to_postfix, SmtpProxy(sendmail.listener) as to_sendmail:
            milters = []
            for name, proxy in (("postfix", to_postfix), ("sendmail", to_sendmail)):
                proxy.reset(soak.cut_now_and_then)
                milter = Milter(folder, lockbox, [("socket", f"unix:{sockets[name]}"), ("delivery", "reinject"),
                                                  ("reinject", "%s:%d" % proxy.endpoint), ("rule", "prefer"),
                                                  ("journal", lockbox.folder / f"{name}.journal")], name=name)
                milter.socket = sockets[name]
                milter.start()
                milters.append(milter)
            threads = [threading.Thread(target=soak.client, args=(server,)) for server in (postfix, postfix, sendmail, sendmail)]
            threads += [threading.Thread(target=soak.local_client, args=(postfix,)),
                        threading.Thread(target=soak.killer, args=(milters,))]
            for thread in threads:
                thread.start()
            soak.over.wait(arguments.minutes * 60)
            soak.over.set()
            for thread in threads:
                thread.join()
            expected = sum(len(sent.recipients) for sent in soak.sent)

            def all_came():
                postfix.wake_pickup()
                return sum(len(delivery.addresses()) for delivery in list(sink.deliveries)) >= expected
            try:
                wait_for(all_came, "everything has come", 120)
                wait_for(lambda: not postfix.queue() and not postfix.in_maildrop(), "the queue is empty", 120)
            except AssertionError as error:
                print(f"soak: {error}")
            problems = soak.check(sink, (postfix, sendmail))
            for milter in milters:
                milter.stop()
    print(f"soak: {len(soak.sent)} messages, {expected} copies, {soak.kills} kills, {soak.cuts} cuts, {len(problems)} problems")
    for problem in problems:
        print(f"soak: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

"""A Postfix of one's own: private configuration, queue, data, log and ports. The machine's Postfix is not touched."""

import json
import os
import pathlib
import re
import shutil
import subprocess

from support.background import Background
from support.places import free_endpoint
from support.smtp_client import SmtpClient, greets
from support.waiting import wait_for

MAIN = """\
compatibility_level = 3.6
config_directory = {etc}
queue_directory = {queue}
data_directory = {data}
mail_owner = postfix
setgid_group = postdrop
maillog_file = {log}
maillog_file_prefixes = {base}
myhostname = mta.example.org
mydomain = example.org
myorigin = example.org
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
inet_protocols = ipv4
disable_dns_lookups = yes
smtp_host_lookup = native
alias_maps =
alias_database =
local_recipient_maps =
local_transport = error:no local mail here
biff = no
relayhost = {relayhost}
smtputf8_enable = yes
message_size_limit = 209715200
mailbox_size_limit = 0
virtual_mailbox_limit = 0
queue_minfree = 0
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_error_sleep_time = 0
smtpd_client_connection_count_limit = 0
in_flow_delay = 0
minimal_backoff_time = 1s
service_throttle_time = 1s
maximal_backoff_time = 1s
queue_run_delay = 1s
transport_retry_time = 1s
smtp_tls_security_level = {outbound_tls}
smtp_tls_loglevel = 1
smtpd_tls_security_level = {inbound_tls}
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_received_header = yes
milter_default_action = tempfail
smtpd_milters = {milters}
non_smtpd_milters = {milters}
"""

MASTER = """\
{host}:{port} inet n - n - - smtpd{entrance}
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

# contrib/postfix/README.md, "The way back".
REINJECTION = """\
{listener_host}:{listener_port} inet n - n - 0 smtpd
  -o syslog_name=postfix/reinject
  -o milter_macro_daemon_name=lockbox-reinject
  -o milter_default_action=tempfail
  -o smtpd_milters={listener_milters}
  -o smtpd_authorized_xforward_hosts=127.0.0.0/8
  -o smtpd_client_connection_count_limit=0
  -o smtpd_helo_restrictions=
"""


def sendmail_of_postfix():
    """Postfix's sendmail(1), wherever Debian's alternatives point."""
    directory = subprocess.run(["postconf", "-d", "-h", "command_directory"], check=True, capture_output=True,
                               text=True).stdout.strip()
    return os.path.join(directory, "sendmail")


def version_of_postfix():
    """(3, 7) of "3.7.11"."""
    text = subprocess.run(["postconf", "-d", "-h", "mail_version"], check=True, capture_output=True, text=True).stdout
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])


class Postfix:
    """Relays everything to `sink`. With `milter`, a path, all mail goes through the milter there, over SMTP and
    from sendmail(1) alike, and is deferred where there is none. `listener`, host and port, is where it takes copies back
    from the milter; `signer` is one more milter, behind the first on the entrances and before it on the listener; `second`
    is one behind (or before) it on the listener alone; `entrance` are options ("-o name=value") of the service that takes
    mail."""

    def __init__(self, folder, sink=None, milter=None, tls=None, settings=None, services="", outbound_tls="encrypt",
                 listener=None, signer=None, entrance=(), second=None, second_is_first=False):
        self.base = pathlib.Path(folder)
        self.host, self.port = free_endpoint()
        self.etc = self.base / "etc"
        self.log = self.base / "log" / "maillog"
        self._sendmail = sendmail_of_postfix()
        self._background = None
        for name in ("etc", "queue", "data", "log"):
            (self.base / name).mkdir(mode=0o755, parents=True)
        shutil.chown(self.base / "data", "postfix", "root")
        certificate, key = tls or ("", "")
        milters = ",".join(f"unix:{one}" for one in (milter, signer) if one)
        self.listener = listener
        if listener:
            order = (second, signer, milter) if second_is_first else (signer, milter, second)
            on_listener = ",".join(f"unix:{one}" for one in order if one)
            services += REINJECTION.format(listener_host=listener[0], listener_port=listener[1],
                                           listener_milters=on_listener)
        values = {
            "base": self.base, "etc": self.etc, "queue": self.base / "queue", "data": self.base / "data", "log": self.log,
            "host": self.host, "port": self.port, "certificate": certificate, "key": key,
            "relayhost": f"[{sink.host}]:{sink.port}" if sink else "",
            "milters": milters, "entrance": "".join(f"\n  {option}" for option in entrance),
            "outbound_tls": outbound_tls if sink else "none", "inbound_tls": "may" if tls else "none",
        }
        # No name twice: every program of Postfix warns of that when it starts, and master(8) logs to nobody by then.
        lines = dict(line.split(" =", 1) for line in MAIN.format(**values).splitlines())
        lines.update({name: f" {value}" for name, value in (settings or {}).items()})
        (self.etc / "main.cf").write_text("".join(f"{name} ={value}\n" for name, value in lines.items()))
        (self.etc / "master.cf").write_text(MASTER.format(**values) + services.format(**values))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *unused):
        self.stop()

    def start(self):
        self._background = Background(["postfix", "-c", self.etc, "start-fg"])
        self._background.wait_until(lambda: greets(self.host, self.port), "Postfix answers")

    def stop(self):
        if self._background and self._background.running():
            # master(8) ends with its children on SIGTERM; "postfix stop" waits for it.
            subprocess.run(["postfix", "-c", str(self.etc), "stop"], check=False, capture_output=True)
            self._background.stop()

    def client(self, **options):
        return SmtpClient(self.host, self.port, **options)

    def submit(self, sender, recipients, message, parameters=""):
        with self.client() as client:
            return client.submit(sender, recipients, message, parameters)

    def sendmail(self, sender, recipients, message, *options):
        """Local submission. `message` is handed over as it is; returns the finished process."""
        return subprocess.run([self._sendmail, "-C", str(self.etc), "-i", "-f", sender, *options, "--", *recipients],
                              input=message, capture_output=True, check=False, timeout=300)

    def queue(self):
        """What the queue holds: one dict a message, as postqueue(1) -j prints it."""
        done = subprocess.run(["postqueue", "-c", str(self.etc), "-j"], check=True, capture_output=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def queued(self, sender):
        return [entry for entry in self.queue() if entry["sender"] == sender]

    def postcat(self, queue_id):
        """Header section and body of a queued message."""
        return subprocess.run(["postcat", "-c", str(self.etc), "-bh", "-q", queue_id], check=True,
                              capture_output=True).stdout

    def flush(self):
        subprocess.run(["postqueue", "-c", str(self.etc), "-f"], check=True)

    def in_maildrop(self):
        """Messages from sendmail(1) that have not got past the milter: pickup(8) tries them again by itself."""
        return [path.name for path in (self.base / "queue" / "maildrop").iterdir()]

    def wake_pickup(self):
        """Has pickup(8) look into the maildrop now."""
        subprocess.run(["postkick", "-c", str(self.etc), "public", "pickup", "W"], check=False)

    def lines(self, part=""):
        text = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        return [line for line in text.splitlines() if part in line]

    def wait_for_line(self, pattern, seconds=60.0):
        """The first log line that matches the regular expression."""
        def look():
            return [line for line in self.lines() if re.search(pattern, line)]
        return wait_for(look, lambda: f"a log line with {pattern!r}:\n" + self.tail(), seconds)[0]

    def story_of(self, sender):
        """What the log says about the messages with that reverse-path, and what of them is still in the queue."""
        ids = {found.group(1) for line in self.lines(f"from=<{sender}>")
               if (found := re.search(r"\]: ([0-9A-Za-z]{6,}): ", line)) and found.group(1) != "NOQUEUE"}
        told = [line for line in self.lines() if any(f" {queue_id}:" in line for queue_id in ids)]
        return "\n".join(told + [f"in the queue: {self.queued(sender)}"])

    def tail(self, count=30):
        return "\n".join(self.lines()[-count:])

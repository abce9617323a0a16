"""A Sendmail of one's own: unpacked from Debian's packages, never installed, beside whatever mail system is there."""

import fcntl
import os
import pathlib
import shutil
import subprocess
import tempfile

from support.background import Background
from support.places import BUILD, free_endpoint
from support.smtp_client import SmtpClient, greets

PACKAGES = ("sendmail-bin", "sendmail-base", "sendmail-cf")

MTA = """\
OSTYPE(`linux')
DOMAIN(`generic')
define(`confDOMAIN_NAME', `mta.example.org')
define(`QUEUE_DIR', `{base}/queue')
define(`confPID_FILE', `{base}/pid')
define(`STATUS_FILE', `{base}/status')
define(`confCW_FILE', `-o {base}/local-host-names')
define(`ALIAS_FILE', `-o {base}/aliases')
define(`SMART_HOST', `relay:[{sink_host}]')
define(`RELAY_MAILER_ARGS', `TCP $h {sink_port}')
define(`confMILTER_LOG_LEVEL', `8')
define(`confTO_IDENT', `0')
define(`confMAX_MESSAGE_SIZE', `209715200')
define(`confMIN_QUEUE_AGE', `0')
define(`confMIN_FREE_BLOCKS', `0')
define(`confQUEUE_LA', `1000')
define(`confREFUSE_LA', `1000')
FEATURE(`no_default_msa')
FEATURE(`accept_unresolvable_domains')
FEATURE(`promiscuous_relay')
FEATURE(`nocanonify')
DAEMON_OPTIONS(`Name=MTA, Addr={host}, Port={port}, Family=inet, Listen=128')
{milter}
MAILER(`smtp')
"""

# contrib/sendmail/README.md, "The way back".
REINJECTION = "DAEMON_OPTIONS(`Name=lockbox-reinject, Addr={host}, Port={port}, Family=inet, Listen=128, InputMailFilters={filters}')\n"

# sendmail(1): every local submission becomes an SMTP conversation with the MTA above, and so passes its milter.
MSP = """\
OSTYPE(`linux')
define(`confDOMAIN_NAME', `mta.example.org')
define(`confRUN_AS_USER', `mail:mail')
define(`MSP_QUEUE_DIR', `{base}/clientmqueue')
define(`STATUS_FILE', `{base}/client-status')
define(`confTO_IDENT', `0')
define(`confTIME_ZONE', `USE_TZ')
define(`RELAY_MAILER_ARGS', `TCP $h {port}')
define(`confDONT_BLAME_SENDMAIL', `GroupWritableDirPathSafe')
FEATURE(`msp', `[{host}]')
"""

SECOND_FILTER = "MAIL_FILTER(`second', `S=unix:{second}, F=T, T=C:30s;S:30s;R:2m;E:5m')\n"
INPUT_FILTER = "INPUT_MAIL_FILTER(`lockbox', `S=unix:{socket}, F=T, T=C:30s;S:30s;R:60s;E:2m')"


# Sendmail sleeps a minute before it reads any configuration where the machine's name has no domain.
HOST_NAME = r"""
#include <string.h>
int gethostname(char *name, size_t size) { strncpy(name, "mta.example.org", size); return 0; }
"""


def unpacked():
    """The folder with Sendmail in it, made on first use and kept below build/."""
    cache = BUILD / "sendmail"
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / ".sendmail.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if cache.exists():
            return cache
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            # apt's own user must be able to write there.
            pathlib.Path(folder).chmod(0o777)
            download = ["apt-get", "-q", "download", *PACKAGES]
            if subprocess.run(download, cwd=folder, capture_output=True, check=False).returncode != 0:
                subprocess.run(["apt-get", "-q", "update"], capture_output=True, check=True)
                subprocess.run(download, cwd=folder, capture_output=True, check=True)
            target = pathlib.Path(folder) / "unpacked"
            for package in pathlib.Path(folder).glob("*.deb"):
                subprocess.run(["dpkg", "-x", str(package), str(target)], check=True)
            (target / "usr/libexec/sendmail/sendmail").chmod(0o755)
            subprocess.run(["cc", "-shared", "-fPIC", "-o", str(target / "hostname.so"), "-xc", "-"],
                           input=HOST_NAME.encode(), check=True)
            partial = BUILD / ".sendmail.partial"
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(target, partial, symlinks=True)
            partial.rename(cache)
        return cache


class Sendmail:
    """Relays everything to `sink`, through the milter at the path `milter` if there is one. `listener`, host and port, is
    where it takes copies back from the milter, and `second` one more milter behind (or before) it there."""

    def __init__(self, folder, sink, milter=None, extra="", listener=None, second=None, second_is_first=False):
        self.listener = listener
        if listener:
            extra += "\n" + (SECOND_FILTER.format(second=second) if second else "") + REINJECTION.format(
                host=listener[0], port=listener[1],
                filters=";".join(["second", "lockbox"] if second_is_first else ["lockbox", "second"][:2 if second else 1]))
        self.base = pathlib.Path(folder)
        self.base.mkdir(mode=0o755, parents=True)
        (self.base / "queue").mkdir(mode=0o700)
        (self.base / "clientmqueue").mkdir()
        (self.base / "clientmqueue").chmod(0o770)
        # The submission program insists on a user of its own; this one is in every Debian.
        shutil.chown(self.base / "clientmqueue", "mail", "mail")
        root = unpacked()
        self._program = root / "usr/libexec/sendmail/sendmail"
        self._cf = root / "usr/share/sendmail/cf"
        # Names that nobody knows are not to cost the resolver's usual patience.
        self._environment = {"PATH": os.environ["PATH"], "LD_PRELOAD": str(root / "hostname.so"),
                             "RES_OPTIONS": "timeout:1 attempts:1"}
        self._background = None
        self.host, self.port = free_endpoint()
        values = {"base": self.base, "host": self.host, "port": self.port, "sink_host": sink.host, "sink_port": sink.port}
        values["milter"] = (INPUT_FILTER.format(socket=milter) if milter else "") + extra
        self.config = self._compile("sendmail", MTA.format(**values))
        self.submit_config = self._compile("submit", MSP.format(**values))

    def _compile(self, name, macros):
        source, target = self.base / f"{name}.mc", self.base / f"{name}.cf"
        source.write_text(macros)
        done = subprocess.run(["m4", f"-D_CF_DIR_={self._cf}/", str(self._cf / "m4/cf.m4"), str(source)], check=True,
                              capture_output=True)
        target.write_bytes(done.stdout)
        return target

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *unused):
        self.stop()

    def start(self):
        # -bD: in the foreground, so that it ends with us; -X: what was said to whom, for a failing test.
        self._background = Background([self._program, "-C", self.config, "-bD", "-q1s", "-X", self.base / "transcript"],
                                      environment=self._environment)
        self._background.wait_until(lambda: greets(self.host, self.port), "Sendmail answers")

    def stop(self):
        if self._background:
            self._background.stop()

    def client(self, **options):
        return SmtpClient(self.host, self.port, **options)

    def submit(self, sender, recipients, message, parameters=""):
        with self.client() as client:
            return client.submit(sender, recipients, message, parameters)

    def sendmail(self, sender, recipients, message, *options):
        """Local submission, through submit.cf."""
        return subprocess.run([self._program, "-C", self.submit_config, "-bm", "-i", "-f", sender, *options, "--",
                               *recipients], input=message, capture_output=True, check=False, timeout=300,
                              env=self._environment)

    def queue(self):
        """Names of the control files of both queues."""
        return [path.name for folder in ("queue", "clientmqueue") for path in (self.base / folder).glob("qf*")]

    def queue_text(self):
        """Everything that lies in both queues."""
        texts = []
        for folder in ("queue", "clientmqueue"):
            for path in (self.base / folder).iterdir():
                try:
                    texts.append(path.read_bytes())
                except FileNotFoundError:
                    pass
        return b"\n".join(texts)

    def flush(self):
        """One run of the submission queue; the daemon's own is every second."""
        subprocess.run([self._program, "-C", self.submit_config, "-q"], capture_output=True, check=False, timeout=300,
                       env=self._environment)

    def names_of_class(self, letter):
        """What the daemon's configuration has in a class, as sendmail(8) -bt shows it."""
        done = subprocess.run([self._program, "-C", self.config, "-bt"], input=f"$={letter}\n", capture_output=True, text=True,
                              check=False, timeout=300, env=self._environment)
        return done.stdout.split()

    def tail(self, count=60):
        path = self.base / "transcript"
        lines = path.read_text("utf-8", "replace").splitlines() if path.exists() else []
        return "\n".join(lines[-count:] + self._background.lines[-10:])

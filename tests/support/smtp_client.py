"""An SMTP client that sends bytes as they are."""

import re
import socket
import ssl


class Reply:
    def __init__(self, code, text):
        self.code = code
        self.text = text

    @property
    def words(self):
        """The text as one line, without the enhanced status codes that begin each line of a reply (RFC 2034)."""
        return " ".join(re.sub(r"^[245]\.\d+\.\d+ ", "", line).strip() for line in self.text.split("\n"))

    def __repr__(self):
        return f"{self.code} {self.text}"


class Disconnected(Exception):
    """The server closed the connection."""


class SmtpClient:
    """One connection, greeted with EHLO. Lines and data go out as the bytes they are: NUL, bare CR, 8 bit."""

    def __init__(self, host, port, name="client.example.org", timeout=300.0):
        self.name = name
        self.socket = socket.create_connection((host, port), timeout)
        self.file = self.socket.makefile("rb")
        self.banner = self.reply()
        self.offers = self.command(f"EHLO {name}").text if self.banner.code == 220 else ""

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        """Hangs up, without QUIT."""
        self.file.close()
        self.socket.close()

    def reply(self):
        texts = []
        while True:
            line = self.file.readline()
            if not line:
                raise Disconnected
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            texts.append(text[4:])
            if text[3:4] != "-":
                return Reply(int(text[:3]), "\n".join(texts))

    def send(self, octets):
        self.socket.sendall(octets)

    def command(self, line):
        self.send((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        return self.reply()

    def starttls(self):
        reply = self.command("STARTTLS")
        if reply.code == 220:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
            self.file = self.socket.makefile("rb")
            self.offers = self.command(f"EHLO {self.name}").text
        return reply

    def data(self, message):
        """DATA with the message, its lines ending in CRLF; the reply to the final dot, or to DATA where it is no 354."""
        reply = self.command("DATA")
        if reply.code != 354:
            return reply
        self.send(dotted(message) + b".\r\n")
        return self.reply()

    def submit(self, sender, recipients, message, parameters=""):
        """A whole transaction: the first reply that is a refusal, or that to the final dot."""
        for line in [f"MAIL FROM:<{sender}>{parameters}", *(f"RCPT TO:<{recipient}>" for recipient in recipients)]:
            reply = self.command(line)
            if reply.code >= 400:
                return reply
        return self.data(message)


def greets(host, port):
    """A server is there, and takes mail."""
    try:
        with SmtpClient(host, port, timeout=10) as client:
            return client.banner.code == 220
    except OSError:
        return False


def dotted(message):
    """As DATA wants it (RFC 5321 §4.5.2): dots doubled, and a line end at the end."""
    if message and not message.endswith(b"\r\n"):
        message += b"\r\n"
    stuffed = message.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed

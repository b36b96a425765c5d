"""Hostile and odd addresses of pictures, each with the verdict that is expected of it.

``python -m tests.hostile.urls`` prints them. ``NAMES`` is what the name server of the tests answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

PUBLIC = "93.184.216.34"
FORBIDDEN, UNSUPPORTED, LATER = "media_forbidden", "media_unsupported", "later"
NAMES = {
    "localhost": ("127.0.0.1",),
    "localhost.": ("127.0.0.1",),
    "localhost.localdomain": ("127.0.0.1", "::1"),
    "127.0.0.1.": ("127.0.0.1",),
    "good.example": (PUBLIC,),
    "private.example": ("10.0.0.1",),
    "private6.example": ("fd00::1",),
    "zone.example": ("fe80::1%eth0",),
    "mixed.example": (PUBLIC, "10.0.0.1"),
    "mixed6.example": (PUBLIC, "::ffff:127.0.0.1"),
    "metadata.google.internal": ("169.254.169.254",),
    "kubernetes.default.svc": ("10.96.0.1",),
    "xn--pypal-4ve.com": ("10.0.0.1",),  # a Cyrillic a
    "xn--80ak6aa92e.com": ("127.0.0.1",),
}
"""Addresses by name; any other name is unknown."""


@dataclass(frozen=True)
class Hostile:
    """An address, and the code it is refused with (or ``later``, where a name may become known)."""

    name: str
    url: str
    verdict: str


def urls() -> Iterator[Hostile]:
    """All of them."""
    for kind, verdict, listed in (
        ("number", FORBIDDEN, _NUMBERS),
        ("number-wrong", UNSUPPORTED, _WRONG_NUMBERS),
        ("six", FORBIDDEN, _SIX),
        ("six-wrong", UNSUPPORTED, _WRONG_SIX),
        ("network", FORBIDDEN, _NETWORKS),
        ("name", FORBIDDEN, [f"http://{name}/a" for name in NAMES if name != "good.example"]),
        ("letters", FORBIDDEN, _LETTERS),
        ("letters-wrong", UNSUPPORTED, _WRONG_LETTERS),
        ("user", FORBIDDEN, _USERS),
        ("scheme", UNSUPPORTED, _SCHEMES),
        ("file", FORBIDDEN, _FILES),
        ("shape", UNSUPPORTED, _SHAPES),
        ("unknown", LATER, _UNKNOWN),
    ):
        for number, url in enumerate(listed, 1):
            yield Hostile(f"{kind}-{number}", url, verdict)


_NUMBERS = [
    "http://127.0.0.1/", "http://2130706433/", "http://017700000001/", "http://0x7f000001/", "http://0X7F000001/",
    "http://0x7f.0x0.0x0.0x1/", "http://0x7f.1/", "http://127.1/", "http://127.0.1/", "http://0/", "http://0x0a.1/",
    "http://3232235777/", "http://0xA9FEA9FE/", "http://2852039166/", "https://10.0.0.1/", "HTTP://10.0.0.1/",
]  # fmt: skip
_WRONG_NUMBERS = ["http://0177.0.0.1/", "http://127.0.0.01/", "http://256.256.256.256/", "http://1.2.3.999/"]
_SIX = [
    "http://[::1]/", "http://[::]/", "http://[0:0:0:0:0:0:0:1]/", "http://[::ffff:10.0.0.1]/",
    "http://[::ffff:0a00:0001]/", "http://[::ffff:0:10.0.0.1]/", "http://[::127.0.0.1]/", "http://[64:ff9b::a00:1]/",
    "http://[64:ff9b::169.254.169.254]/", "http://[64:ff9b:1::a00:1]/", "http://[2002:a00:1::]/",
    "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/", "http://[fe80::1]/", "http://[fec0::1]/", "http://[fd00::1]/",
    "http://[ff02::1]/", "http://[fd00:ec2::254]/", "http://[2001:db8::1]/", "http://[2a00::5efe:a00:1]/",
]  # fmt: skip
_WRONG_SIX = [
    "http://[::1/", "http://::1/", "http://[[::1]]/", "http://[v1.fe80::1]/", "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/", "http://[::1]x/", "http://[]/",
]  # fmt: skip
_NETWORKS = [
    f"http://{address}/"
    for address in (
        "0.0.0.0", "10.255.255.255", "100.64.0.1", "100.100.100.200", "168.63.129.16", "169.254.0.1",
        "169.254.169.254/latest/meta-data", "169.254.170.2", "172.31.255.255", "192.0.0.192", "192.0.2.1",
        "192.168.0.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1",
        "255.255.255.255",
    )
]  # fmt: skip
_LETTERS = [
    "http://LOCALHOST/", "http://LocalHost./", "http://127\u30020\u30020\u30021/", "http://p\u0430ypal.com/",
    "http://private\u3002example/", "http://private\uff0eexample/",
]  # fmt: skip
_WRONG_LETTERS = [
    "http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/", "http://\uff11\uff12\uff17.\uff10.\uff10.\uff11/",
    "http://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3/", "http://\u217cocalhost/",
    "http://loc\u00adalhost/", "http://l\u200bocalhost/", "http://xn--/", "http://xn--a/", "http://xn--\u00e4/",
    "http://\u0661\u0662\u0667.0.0.1/",
]  # fmt: skip
_USERS = [
    "http://user:secret@good.example/", "http://secret@good.example/", "http://:secret@good.example/",
    "http://good.example@10.0.0.1/", "http://@10.0.0.1/", "http://10.0.0.1\\@good.example/",
    "http://good.example\\@10.0.0.1/", "http://10.0.0.1#@good.example/", "http://10.0.0.1?@good.example/",
    "http://good.example%2f@10.0.0.1/", "http://good.example:80@10.0.0.1:80/", "http://a@b@10.0.0.1/",
]  # fmt: skip
_SCHEMES = [
    "ftp://good.example/a", "gopher://10.0.0.1:6379/_INFO", "data:image/png;base64,AAAA", "javascript:alert(1)",
    "dict://127.0.0.1:11211/stats", "jar:http://good.example!/a", "blob:http://good.example/a", "ws://good.example/",
    "unix:///var/run/docker.sock", "http+unix://%2fvar%2frun%2fdocker.sock/", "ldap://10.0.0.1/", "//10.0.0.1/a",
    " http://10.0.0.1/", "a.png", "", "view-source:http://10.0.0.1/", "httpx://good.example/",
]  # fmt: skip
_FILES = [
    "file:///etc/passwd", "file://localhost/etc/passwd", "file:etc/passwd", "FILE:///etc/passwd",
    "file://good.example/etc/passwd", "file:////etc/passwd", "file:///%2e%2e/etc/passwd",
]  # fmt: skip
_SHAPES = [
    "http://", "http:///a", "http://:80/", "http:10.0.0.1/", "http:/10.0.0.1/", "http://?a", "http://#a",
    "http://10.0.0.1/\r\nX: y", "http://10.0.0.1\t/", "http://10.0.0.1\0/", "\0", "http://good.example\n.evil/",
    "http://good.example%00.evil/", "http://%31%32%37.0.0.1/", "http://127.0.0.1%20/", "http://10.0.0.1 /",
    "http://10.0.0.1:65536/", "http://10.0.0.1:0/", "http://10.0.0.1:-1/", "http://10.0.0.1:80:80/",
    "http://10.0.0.1:a/", "http://10.0.0.1:99999999999999999999/", "http://10.0.0.1/" + "a" * 70_000,
    "http://" + "a" * 64 + ".example/", "http://.../", "http://good..example/",
]  # fmt: skip
_UNKNOWN = ["http://nobody.invalid/", "http://4294967296/", "http://" + "a." * 100 + "example/", "http://a_b.invalid/"]


if __name__ == "__main__":
    for hostile in urls():
        print(f"{hostile.name:<16} {hostile.verdict:<18} {hostile.url[:90]!a}")

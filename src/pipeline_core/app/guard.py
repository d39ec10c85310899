"""Who may ask: pages of this server, and people who open it by an address; no other site's page, by whatever name."""

from collections.abc import Mapping
from ipaddress import ip_address

SAME = ("same-origin", "none")
"""Where a request that a person or a page of ours made comes from, as browsers tell it."""

POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing is loaded from elsewhere, no script stands in a page, and no page of another site frames one."""

REPORT_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; frame-ancestors 'none'"
)
"""The report is one file, with its scripts in it."""

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def refusal(method: str, headers: Mapping[str, str]) -> str | None:
    """Return why a request is refused, or None.

    A name that is not this machine's may have been bound to its address by whoever owns the name (DNS rebinding); an
    address cannot be. What changes anything must come from a page of ours; what does not may be opened, and not
    embedded, by another site.

    Args:
        method: of the request.
        headers: its headers, by names in small letters.
    """
    host = headers.get("host", "")
    if not _is_ours(host):
        return f"the name {host!r} is not this machine's: open it by the address that lens serve printed"
    if method not in ("GET", "HEAD"):
        if headers.get("origin") not in (f"http://{host}", f"https://{host}"):
            return "the request comes from another site's page"
        return None
    if headers.get("sec-fetch-site", "none") not in SAME and headers.get("sec-fetch-mode") != "navigate":
        return "another site's page may link here, and embed nothing"
    return None


def _is_ours(host: str) -> bool:
    name = host.removesuffix("." if host.endswith(".") else "")
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    if name == "localhost":
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True

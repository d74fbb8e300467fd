"""Stand-in for ThaiD, the identity provider: OpenID Connect with the code flow and ES256.

Any citizen number of 13 digits with a right check digit is a person, named by `login_hint`; there
is nobody else to ask. Paths and algorithm are those of facts/domain.md 6.1; delay, rate limit and
outage are knobs, at the start or later through POST /control. It signs nobody in for real, keeps
nothing on disk and serves the harness only.

    python -m harness.stand_ins.thaid --port 0 --human-delay-ms 0
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import secrets
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic, time
from typing import Any, Final
from urllib.parse import unquote, urlencode

import jwt
from aiohttp import web
from aiohttp.typedefs import Handler
from cryptography.hazmat.primitives.asymmetric import ec

from harness.stand_ins import serving
from harness.stand_ins.serving import json_answer, refuse

AUTHORIZE_PATH: Final = "/api/v2/oauth2/auth/"
TOKEN_PATH: Final = "/api/v2/oauth2/token/"
KEYS_PATH: Final = "/api/v2/oauth2/jwks/"
CODE_LIFETIME_S: Final = 60.0
TOKEN_LIFETIME_S: Final = 3600
CODES_MAX: Final = 100_000  # codes that nobody fetched; beyond it the oldest are forgotten
KEYS_KEPT: Final = 2  # after a rotation the former key still verifies what it signed

Sign = Callable[["SigningKey", Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """How the provider behaves. Delays in ms; `rate_limit_per_s` 0 means no limit."""

    human_delay_ms: float = 0.0
    token_delay_ms: float = 0.0
    rate_limit_per_s: float = 0.0
    outage: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """The one relying party that is registered."""

    client_id: str = "ledger"
    client_secret: str = "ledger-secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """An EC P-256 key with the id under which it is published."""

    key_id: str
    private_key: ec.EllipticCurvePrivateKey

    def public_jwk(self) -> dict[str, Any]:
        """Return the public half as a JSON Web Key."""
        jwk = jwt.algorithms.ECAlgorithm.to_jwk(self.private_key.public_key(), as_dict=True)
        return {**jwk, "kid": self.key_id, "use": "sig", "alg": "ES256"}


@dataclass(slots=True, kw_only=True)
class _Grant:
    """What a code stands for until it is fetched, once."""

    pid: str
    redirect_uri: str
    nonce: str
    expires_at: float


@dataclass(slots=True)
class Thaid:
    """The provider's state: keys (newest last), codes, knobs."""

    issuer: str = ""
    client: Client = field(default_factory=Client)
    knobs: Knobs = field(default_factory=Knobs)
    keys: list[SigningKey] = field(default_factory=lambda: [new_key()])
    codes: dict[str, _Grant] = field(default_factory=dict)
    allowance: float = 0.0  # of the token bucket, in requests
    allowance_at: float = 0.0  # monotonic, s
    sign: Sign = field(default_factory=lambda: sign_es256)

    def rotate(self) -> str:
        """Sign with a new key from now on and return its id; the former stays published."""
        self.keys = [*self.keys, new_key()][-KEYS_KEPT:]
        return self.keys[-1].key_id

    def is_over_rate(self) -> bool:
        """Take one request from the token bucket; its depth is one second of the limit."""
        rate = self.knobs.rate_limit_per_s
        if not rate:
            return False
        now = monotonic()
        depth = max(rate, 1.0)
        self.allowance = min(depth, self.allowance + (now - self.allowance_at) * rate)
        self.allowance_at = now
        if self.allowance < 1.0:
            return True
        self.allowance -= 1.0
        return False


def new_key() -> SigningKey:
    """Return a fresh signing key."""
    return SigningKey(
        key_id=secrets.token_hex(8), private_key=ec.generate_private_key(ec.SECP256R1())
    )


def sign_es256(key: SigningKey, claims: Mapping[str, Any]) -> str:
    """Return *claims* as a signed identity token."""
    return jwt.encode(dict(claims), key.private_key, algorithm="ES256", headers={"kid": key.key_id})


def is_pid(text: str) -> bool:
    """Say whether *text* is a citizen number: 13 digits, the last a check digit modulo 11."""
    if len(text) != 13 or not text.isascii() or not text.isdigit():
        return False
    total = sum(
        int(digit) * weight for digit, weight in zip(text[:12], range(13, 1, -1), strict=True)
    )
    return (11 - total % 11) % 10 == int(text[12])


def make_app(provider: Thaid) -> web.Application:
    """Return the web application of *provider*; its issuer is set once the port is known."""

    @web.middleware
    async def turnstile(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith("/control"):
            if provider.knobs.outage:
                return refuse(503, "temporarily_unavailable", "outage")
            if request.path in (AUTHORIZE_PATH, TOKEN_PATH) and provider.is_over_rate():
                return refuse(429, "slow_down", "too many verifications")
        return await handler(request)

    app = web.Application(middlewares=[turnstile])
    app.add_routes(
        [
            web.get("/.well-known/openid-configuration", _discovery(provider)),
            web.get(KEYS_PATH, _keys(provider)),
            web.get(AUTHORIZE_PATH, _authorize(provider)),
            web.post(TOKEN_PATH, _token(provider)),
            web.post("/control/knobs", serving.knob_turner(provider)),
            web.post("/control/rotate-keys", _rotate(provider)),
        ]
    )
    return app


def _discovery(provider: Thaid) -> Handler:
    async def discovery(_request: web.Request) -> web.StreamResponse:
        return json_answer(
            {
                "issuer": provider.issuer,
                "authorization_endpoint": provider.issuer + AUTHORIZE_PATH,
                "token_endpoint": provider.issuer + TOKEN_PATH,
                "jwks_uri": provider.issuer + KEYS_PATH,
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code"],
                "id_token_signing_alg_values_supported": ["ES256"],
                "token_endpoint_auth_methods_supported": [
                    "client_secret_basic",
                    "client_secret_post",
                ],
                "subject_types_supported": ["public"],
                "scopes_supported": ["openid", "pid"],
            }
        )

    return discovery


def _keys(provider: Thaid) -> Handler:
    async def keys(_request: web.Request) -> web.StreamResponse:
        return json_answer({"keys": [key.public_jwk() for key in provider.keys]})

    return keys


def _authorize(provider: Thaid) -> Handler:
    async def authorize(request: web.Request) -> web.StreamResponse:
        query = request.query
        redirect_uri = query.get("redirect_uri", "")
        if query.get("client_id") != provider.client.client_id:
            return refuse(400, "unauthorized_client", "client_id")
        if not redirect_uri.startswith(("http://", "https://")):
            return refuse(400, "invalid_request", "redirect_uri")
        if query.get("response_type") != "code" or not query.get("state"):
            return refuse(400, "invalid_request", "response_type must be code; state is needed")
        if not is_pid(query.get("login_hint", "")):
            return refuse(400, "invalid_request", "login_hint must be a citizen number")
        if provider.knobs.human_delay_ms:
            await asyncio.sleep(provider.knobs.human_delay_ms / 1000)
        code = secrets.token_urlsafe(16)
        provider.codes[code] = _Grant(
            pid=query["login_hint"],
            redirect_uri=redirect_uri,
            nonce=query.get("nonce", ""),
            expires_at=monotonic() + CODE_LIFETIME_S,
        )
        if len(provider.codes) > CODES_MAX:
            del provider.codes[next(iter(provider.codes))]
        answer = urlencode({"code": code, "state": query["state"]})
        return web.Response(status=302, headers={"Location": f"{redirect_uri}?{answer}"})

    return authorize


def _token(provider: Thaid) -> Handler:
    async def token(request: web.Request) -> web.StreamResponse:
        form = await request.post()
        if not _is_client(provider.client, request.headers.get("Authorization", ""), form):
            return refuse(401, "invalid_client", "client_id or client_secret")
        if form.get("grant_type") != "authorization_code":
            return refuse(400, "unsupported_grant_type", "only authorization_code")
        if provider.knobs.token_delay_ms:
            await asyncio.sleep(provider.knobs.token_delay_ms / 1000)
        grant = provider.codes.pop(str(form.get("code")), None)
        if grant is None or grant.expires_at < monotonic():
            return refuse(400, "invalid_grant", "the code is unknown, used or expired")
        if form.get("redirect_uri") != grant.redirect_uri:
            return refuse(400, "invalid_grant", "redirect_uri is another than before")
        now = int(time())
        claims = {
            "iss": provider.issuer,
            "aud": provider.client.client_id,
            "sub": grant.pid,
            "pid": grant.pid,
            "nonce": grant.nonce,
            "iat": now,
            "exp": now + TOKEN_LIFETIME_S,
            "auth_time": now,
        }
        answer = {
            "access_token": secrets.token_urlsafe(24),
            "token_type": "Bearer",
            "expires_in": TOKEN_LIFETIME_S,
            "scope": "openid pid",
            "id_token": provider.sign(provider.keys[-1], claims),
        }
        return json_answer(answer)

    return token


def _is_client(client: Client, authorization: str, form: Mapping[str, Any]) -> bool:
    """Accept client_secret_basic and client_secret_post."""
    given = (str(form.get("client_id", "")), str(form.get("client_secret", "")))
    if authorization.startswith("Basic "):
        try:
            name, _, secret = b64decode(authorization[6:], validate=True).decode().partition(":")
        except ValueError:
            return False
        given = (unquote(name), unquote(secret))
    expected = (client.client_id, client.client_secret)
    return all(
        hmac.compare_digest(g.encode(), e.encode()) for g, e in zip(given, expected, strict=True)
    )


def _rotate(provider: Thaid) -> Handler:
    async def rotate(_request: web.Request) -> web.StreamResponse:
        return json_answer({"kid": provider.rotate()})

    return rotate


async def start(provider: Thaid, *, host: str = "127.0.0.1", port: int = 0) -> web.AppRunner:
    """Listen and set the issuer to the real address; the caller cleans the runner up."""
    runner, provider.issuer = await serving.listen(make_app(provider), host, port)
    return runner


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; the first line printed is {"url": ...}."""
    parser = argparse.ArgumentParser(prog="python -m harness.stand_ins.thaid", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--client-id", default=Client().client_id)
    parser.add_argument("--client-secret", default=Client().client_secret)
    parser.add_argument("--human-delay-ms", type=float, default=0.0, help="scanning and confirming")
    parser.add_argument("--token-delay-ms", type=float, default=0.0)
    parser.add_argument("--rate-limit-per-s", type=float, default=0.0, help="0: none")
    parser.add_argument("--outage", action="store_true", help="answer 503 to everything")
    options = parser.parse_args(arguments)
    knobs = Knobs(
        human_delay_ms=options.human_delay_ms,
        token_delay_ms=options.token_delay_ms,
        rate_limit_per_s=options.rate_limit_per_s,
        outage=options.outage,
    )
    client = Client(client_id=options.client_id, client_secret=options.client_secret)
    provider = Thaid(client=client, knobs=knobs)

    async def begin() -> tuple[web.AppRunner, str]:
        return await start(provider, host=options.host, port=options.port), provider.issuer

    return serving.serve("thaid", options.port, begin)


if __name__ == "__main__":
    raise SystemExit(main())

"""Client of the identity provider (ThaiD): OpenID Connect, code flow, ES256 only.

Met only at sign-in, never inside a transaction; sessions that exist do not need it. `state` and
`nonce` are signed and expire, so any worker can finish what another began. Signing keys are asked
for again when an unknown key id appears, at most once per KEYS_AGE_MIN_S: providers rotate keys.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from time import monotonic
from typing import Any, Final
from urllib.parse import quote, urlencode

import aiohttp
import jwt

from reference_app.answers import json_of
from reference_app.problems import Problem
from reference_app.settings import Settings

STATE_LIFETIME_S: Final = 600  # a person scans a QR code in between
KEYS_AGE_MIN_S: Final = 1.0
CLOCK_SKEW_S: Final = 5
CONNECTIONS_MAX: Final = 64
SCOPE: Final = "openid pid"


class Provider:
    """One provider, discovered on first use. *clock* returns s since 1970."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._url = settings.provider_url.rstrip("/")
        self._client_id = settings.client_id
        pair = ":".join(quote(one, safe="") for one in (self._client_id, settings.client_secret))
        self._credentials = "Basic " + b64encode(pair.encode()).decode()  # RFC 6749 2.3.1
        self._state_key = settings.session_key
        self._timeout = aiohttp.ClientTimeout(total=settings.command_timeout_s)
        self._clock = clock
        self._client: aiohttp.ClientSession | None = None
        self._discovery: dict[str, Any] = {}
        self._keys: dict[str, Any] = {}
        self._keys_read_at = float("-inf")
        self.keys_age_min_s = KEYS_AGE_MIN_S

    def start(self) -> None:
        """Open the client; no request is sent."""
        self._client = aiohttp.ClientSession(
            timeout=self._timeout, connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX)
        )

    async def stop(self) -> None:
        """Close the client."""
        if self._client is not None:
            await self._client.close()

    async def authorize_url(self, redirect_uri: str) -> str:
        """Return where to send the browser."""
        discovery = await self._discover()
        state = self._new_state()
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self._client_id,
                "redirect_uri": redirect_uri,
                "scope": SCOPE,
                "state": state,
                "nonce": self._nonce(state),
            }
        )
        return f"{discovery['authorization_endpoint']}?{query}"

    async def pid_of(self, *, code: str, state: str, redirect_uri: str) -> str:
        """Return the citizen number that the provider vouches for. Raises a `Problem` else."""
        self._check_state(state)
        discovery = await self._discover()
        status, answer = await self._fetch(
            "POST",
            discovery["token_endpoint"],
            data={"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri},
            headers={"Authorization": self._credentials},
        )
        if status != 200 or not isinstance(answer.get("id_token"), str):
            raise Problem("login-refused", "the provider does not accept this code")
        claims = await self._verify(answer["id_token"], discovery)
        if not hmac.compare_digest(str(claims.get("nonce")), self._nonce(state)):
            raise Problem("login-refused", "the answer belongs to another sign-in (nonce)")
        return str(claims["pid"])

    async def _verify(self, id_token: str, discovery: dict[str, Any]) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(id_token)
            key = await self._key(str(header.get("kid")), discovery)
            return jwt.decode(
                id_token,
                key,
                algorithms=["ES256"],  # fixed here: the token does not choose its algorithm
                audience=self._client_id,
                issuer=discovery["issuer"],
                leeway=CLOCK_SKEW_S,
                options={"require": ["exp", "iat", "aud", "iss", "sub", "nonce", "pid"]},
            )
        except jwt.PyJWTError as error:
            raise Problem("login-refused", f"the identity token is not valid: {error}") from error

    async def _key(self, key_id: str, discovery: dict[str, Any]) -> Any:
        if key_id not in self._keys and monotonic() - self._keys_read_at >= self.keys_age_min_s:
            self._keys_read_at = monotonic()
            _, answer = await self._fetch("GET", discovery["jwks_uri"])
            keys = jwt.PyJWKSet.from_dict(answer).keys
            self._keys = {str(key.key_id): key.key for key in keys}
        if key_id not in self._keys:
            raise Problem("login-refused", "the identity token is signed with an unknown key")
        return self._keys[key_id]

    async def _discover(self) -> dict[str, Any]:
        if not self._discovery:
            status, answer = await self._fetch(
                "GET", f"{self._url}/.well-known/openid-configuration"
            )
            if status != 200 or answer.get("issuer") != self._url:
                raise Problem("provider-unavailable", "the provider does not describe itself")
            self._discovery = answer
        return self._discovery

    async def _fetch(self, method: str, url: str, **arguments: Any) -> tuple[int, dict[str, Any]]:
        if self._client is None or not self._url:
            raise Problem(
                "provider-unavailable", "no identity provider is set (LEDGER_PROVIDER_URL)"
            )
        try:
            async with self._client.request(method, url, **arguments) as response:
                if response.status >= 500 or response.status == 429:
                    raise Problem("provider-unavailable", f"the provider answers {response.status}")
                answer = await json_of(response)
                return response.status, answer if isinstance(answer, dict) else {}
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Problem("provider-unavailable", "the provider does not answer") from error

    def _new_state(self) -> str:
        content = f"{secrets.token_urlsafe(12)}.{int(self._clock()) + STATE_LIFETIME_S}"
        return f"{content}.{self._mac('state', content)}"

    def _check_state(self, state: str) -> None:
        content, _, mac = state.rpartition(".")
        if not content or not hmac.compare_digest(
            mac.encode(), self._mac("state", content).encode()
        ):
            raise Problem("login-refused", "the sign-in did not begin here (state)")
        if int(content.rpartition(".")[2]) < self._clock():
            raise Problem("login-refused", "the sign-in took too long (state)")

    def _nonce(self, state: str) -> str:
        return self._mac("nonce", state)

    def _mac(self, purpose: str, content: str) -> str:
        mac = hmac.digest(self._state_key, f"{purpose}:{content}".encode(), "sha256")
        return urlsafe_b64encode(mac[:18]).decode()

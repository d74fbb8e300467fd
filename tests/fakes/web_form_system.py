"""A small accounting system of pages and forms, as unlike the ledger's interface as can be.

    echo '{"parents": {"101234": 101000}}' | python tests/fakes/web_form_system.py

reads its behaviour from the first line of stdin, prints {"url": ...}, serves until stdin closes.
Session cookie, hidden token against forgery, form-encoded posts, a redirect after each, refusals as
a red line with status 200, Buddhist dates, compressed pages. `parents` is unit -> parent: who may
act where. `session_requests` ends a session after that many requests. GET /control/counts tells
what happened.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import sys
from collections import Counter
from typing import Any

from aiohttp import web

SECRET = "lab-only"
BUDGET_SATANG = 10**13
DATE = re.compile(r"(\d\d)/(\d\d)/(\d\d\d\d)")
YEARS = ("2568", "2569")
AMOUNT = re.compile(r"\d{1,3}(,\d{3})*\.\d\d")


class Refused(Exception):
    """The system says no; the message goes onto the page."""


class System:
    """Papers, numbers, closed months, and who is signed in."""

    def __init__(self, behaviour: dict[str, Any]) -> None:
        self.parents = {int(unit): parent for unit, parent in behaviour.get("parents", {}).items()}
        self.session_requests = behaviour.get("session_requests", 10**9)
        self.sessions: dict[str, dict[str, Any]] = {}
        self.forgery: set[str] = set()
        self.papers: list[dict[str, Any]] = []
        self.once: dict[str, tuple[dict[str, str], int]] = {}
        self.numbers: Counter[tuple[int, str]] = Counter()
        self.closed: set[tuple[int, str]] = set()
        self.counts: Counter[str] = Counter()

    # Who.

    def session(self, request: web.Request) -> dict[str, Any]:
        found = self.sessions.get(request.cookies.get("WEBSESS", ""))
        if found is not None:
            found["requests"] += 1
            if found["requests"] > self.session_requests:
                self.counts["sessions_ended"] += 1
                del self.sessions[request.cookies["WEBSESS"]]
                found = None
        if found is None:
            raise web.HTTPSeeOther(f"/signin?back={request.path}")
        return found

    def may_act(self, request: web.Request) -> tuple[dict[str, Any], int]:
        session, unit = self.session(request), int(request.match_info["unit"])
        home = session["account"] // 1000
        if home not in (unit, self.parents.get(unit)):
            raise web.HTTPForbidden(text="หน่วยงานอื่น")
        return session, unit

    async def form(self, request: web.Request, session: dict[str, Any]) -> dict[str, str]:
        if request.content_type != "application/x-www-form-urlencoded":
            raise web.HTTPUnsupportedMediaType
        fields = {name: str(value) for name, value in (await request.post()).items()}
        if fields.pop("_forgery", "") != session["forgery"]:
            self.counts["forgeries"] += 1
            raise web.HTTPForbidden(text="forged")
        return fields

    # Pages.

    async def sign_in_page(self, request: web.Request) -> web.Response:
        token = secrets.token_hex(8)
        self.forgery.add(token)
        return page("เข้าสู่ระบบ", hidden(token))

    async def sign_in(self, request: web.Request) -> web.Response:
        fields = await request.post()
        if str(fields.get("_forgery")) not in self.forgery:
            raise web.HTTPForbidden(text="forged")
        if fields.get("secret") != SECRET or not str(fields.get("user", "")).startswith("u"):
            return page("เข้าสู่ระบบ", red("รหัสผ่านไม่ถูกต้อง"))
        self.counts["sign_ins"] += 1
        sid = secrets.token_hex(16)
        account = int(str(fields["user"])[1:])
        self.sessions[sid] = {"account": account, "forgery": secrets.token_hex(8), "requests": 0}
        answer = web.HTTPSeeOther("/me")
        answer.set_cookie("WEBSESS", sid, httponly=True, samesite="Lax", path="/")
        answer.set_cookie("theme", "thai")
        raise answer

    async def me(self, request: web.Request) -> web.Response:
        session = self.session(request)
        return page("ผู้ใช้", f"<b>u{session['account']}</b>{hidden(session['forgery'])}")

    async def chart(self, request: web.Request) -> web.Response:
        self.session(request)
        return page("ผังบัญชี", "<li>1110101 เงินสด</li>" * 40)

    async def view(self, request: web.Request) -> web.Response:
        _, unit = self.may_act(request)
        for value in request.query.values():
            if not re.fullmatch(r"(\d\d/)?\d\d/25\d\d", value):
                raise web.HTTPBadRequest(text=f"not a Thai date: {value}")
        return self.unit_page(unit, "<td>1.00</td>" * 200)

    async def list_papers(self, request: web.Request) -> web.Response:
        _, unit = self.may_act(request)
        if not any(paper["unit"] == unit for paper in self.papers):
            self.papers.append({"unit": unit, "kind": "opening", "number": 1, "acts": []})
        own = [n for n, paper in enumerate(self.papers, 1) if paper["unit"] == unit][-20:]
        links = "".join(f'<a href="/unit/{unit}/papers/{n}">x</a>' for n in reversed(own))
        return self.unit_page(unit, links)

    async def show_paper(self, request: web.Request) -> web.Response:
        _, unit = self.may_act(request)
        number = int(request.match_info["paper"])
        if not 0 < number <= len(self.papers) or self.papers[number - 1]["unit"] != unit:
            raise web.HTTPNotFound
        paper = self.papers[number - 1]
        text = f'<h1 id="paper-{number}">{paper["kind"]} เลขที่ <b>{paper["number"]}</b></h1>'
        return self.unit_page(unit, text)

    def unit_page(self, unit: int, content: str) -> web.Response:
        return page("บัญชี", f"<h2>หน่วยงาน {unit}</h2>{content}")

    # Forms.

    async def new_paper(self, request: web.Request) -> web.Response:
        session, unit = self.may_act(request)
        fields = await self.form(request, session)
        kind = request.match_info["kind"]
        return self.handed_in(unit, fields, lambda: self.make(unit, kind, fields))

    async def on_paper(self, request: web.Request) -> web.Response:
        session, unit = self.may_act(request)
        fields = await self.form(request, session)
        number, act = int(request.match_info["paper"]), request.match_info["act"]

        def carry_out() -> int:
            paper = self.papers[number - 1]
            is_advance = paper["kind"] == "advance"
            needed = {
                "check": "", "approve": "check", "pay": "" if is_advance else "approve", "clear": ""
            }[act]  # fmt: skip
            if needed and needed not in paper["acts"]:
                raise Refused("ยังไม่ผ่านขั้นก่อนหน้า")
            paper["acts"].append(act)
            return self.make(unit, act, fields) if act in ("pay", "clear") else number

        return self.handed_in(unit, fields, carry_out)

    async def close_month(self, request: web.Request) -> web.Response:
        session, unit = self.may_act(request)
        fields = await self.form(request, session)
        if not re.fullmatch(r"\d\d/25\d\d", fields["month"]):
            raise web.HTTPBadRequest
        self.closed.add((unit, fields["month"]))
        self.counts["closings"] += 1
        raise web.HTTPSeeOther(f"/unit/{unit}/calendar")

    def handed_in(self, unit: int, fields: dict[str, str], carry_out: Any) -> web.Response:
        once = fields.pop("_once", "") or secrets.token_hex(8)
        if once in self.once:
            earlier, paper = self.once[once]
            if earlier != fields:
                return self.unit_page(unit, red("แบบฟอร์มนี้ใช้ไปแล้ว"))
            self.counts["repeats"] += 1
        else:
            try:
                paper = carry_out()
            except Refused as error:
                self.counts["refusals"] += 1
                return self.unit_page(unit, red(str(error)))
            self.once[once] = (fields, paper)
        raise web.HTTPSeeOther(f"/unit/{unit}/papers/{paper}")

    def make(self, unit: int, kind: str, fields: dict[str, str]) -> int:
        date = DATE.fullmatch(fields["date"])
        if date is None:
            raise web.HTTPBadRequest(text="not a Thai date")
        if (unit, f"{date[2]}/{date[3]}") in self.closed:
            raise Refused("ปิดงวดแล้ว")
        for name in ("amount", "tax"):
            if name in fields and not AMOUNT.fullmatch(fields[name]):
                raise web.HTTPBadRequest(text="not an amount")
        if int(re.sub(r"[,.]", "", fields.get("amount", "0"))) > BUDGET_SATANG:
            raise Refused("งบประมาณไม่พอ")
        if date[3] not in YEARS:
            raise Refused("ปีงบประมาณไม่ถูกต้อง")
        if kind == "voucher" and not is_balanced(fields):
            raise Refused("เดบิตไม่เท่ากับเครดิต")
        self.numbers[unit, kind] += 1
        number = self.numbers[unit, kind]
        self.papers.append({"unit": unit, "kind": kind, "number": number, "acts": []})
        self.counts["papers"] += 1
        return len(self.papers)

    async def control(self, request: web.Request) -> web.Response:
        return web.json_response({**self.counts, "signed_in": len(self.sessions)})


def is_balanced(fields: dict[str, str]) -> bool:
    """Add up lines like 1110101=1,000.00/0.00."""
    total = 0
    for name, text in fields.items():
        if name.startswith("line"):
            debit, credit = text.partition("=")[2].split("/")
            total += int(re.sub(r"[,.]", "", debit)) - int(re.sub(r"[,.]", "", credit))
    return total == 0


def page(title: str, content: str) -> web.Response:
    text = f"<!doctype html><title>{title}</title><body>{content}</body>"
    answer = web.Response(text=text, content_type="text/html", charset="utf-8")
    answer.enable_compression()
    return answer


def hidden(token: str) -> str:
    return f'<input type="hidden" name="_forgery" value="{token}">'


def red(text: str) -> str:
    return f'<p class="red">{text}</p>'


def routes(system: System) -> list[web.RouteDef]:
    views = ("desk", "inbox", "calendar", "budget", "payees", "print/{report}")
    return [
        web.get("/signin", system.sign_in_page),
        web.post("/signin", system.sign_in),
        web.get("/me", system.me),
        web.get("/chart", system.chart),
        *(web.get(f"/unit/{{unit:\\d+}}/{view}", system.view) for view in views),
        web.get(r"/unit/{unit:\d+}/papers", system.list_papers),
        web.get(r"/unit/{unit:\d+}/papers/{paper:\d+}", system.show_paper),
        web.post(r"/unit/{unit:\d+}/new/{kind}", system.new_paper),
        web.post(r"/unit/{unit:\d+}/papers/{paper:\d+}/{act}", system.on_paper),
        web.post(r"/unit/{unit:\d+}/calendar", system.close_month),
        web.get("/control/counts", system.control),
    ]


async def serve(behaviour: dict[str, Any]) -> None:
    application = web.Application()
    application.add_routes(routes(System(behaviour)))
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    print(json.dumps({"url": f"http://127.0.0.1:{port}"}), flush=True)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), lambda: None if sys.stdin.read(1) else ended.set())
    await ended.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.stdin.readline() or "{}")))

"""Where work queues, how busy the machine was, and the hot paths and SQL of a profile."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from contracts.terms import Bilingual
from harness.diagnosis.explain import ABSTAIN
from harness.diagnosis.findings import HotPath, HotStatement, Profile
from harness.diagnosis.flame import icicle_svg
from harness.diagnosis.stacks import Stacks
from reports.figures.resources import ROLE_COLOURS, draw_resources
from reports.folds import timeline_of
from reports.formats import ABSENT, count, decimal, percent, sentence, shown, span
from reports.names import bottleneck_name, confidence_name, role_name
from reports.reading import BottleneckText
from reports.sources import Sources
from reports.wording import same, say

ROWS_SHOWN: Final = 15
BOTTLENECKS_SHOWN: Final = 12
STATEMENT_CHARACTERS_MAX: Final = 400
# A page stays small enough to be sent by mail: stacks too rare to see are left out of the icicle
# step by step until it fits.
ICICLE_CHARACTERS_MAX: Final = 500_000
_RARE_SHARES: Final = (0.0, 0.0002, 0.001, 0.005, 0.02)


@dataclass(frozen=True, slots=True, kw_only=True)
class BottleneckRow:
    """One named place where work queues."""

    name: Bilingual
    place: str
    share: str
    tier: str
    confidence: Bilingual
    evidence: Bilingual


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRow:
    """One hot function."""

    function: str
    place: str
    self_share: str
    total_share: str
    is_own: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRow:
    """One hot statement."""

    call_site: str
    query: str
    calls: str
    total_ms: str
    mean_ms: str
    share: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileView:
    """What a profile shows; `icicle` is None when the raw stacks are not in the folder."""

    lead: Bilingual
    facts: tuple[tuple[Bilingual, str], ...]
    paths: tuple[PathRow, ...]
    statements: tuple[StatementRow, ...]
    blocked: tuple[tuple[str, str, str, str], ...]
    missing: tuple[str, ...]
    icicle: Markup | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosisSection:
    """What the sections on bottlenecks, resources and profile show.

    `abstained` is why the diagnosis named no cause, where it said so.
    """

    bottlenecks: tuple[BottleneckRow, ...]
    abstained: tuple[Bilingual, ...]
    resources_caption: Bilingual | None
    resources_figure: Markup | None
    resources_legend: tuple[tuple[Bilingual, str], ...]
    has_machine_line: bool
    profile: ProfileView | None


def diagnosis_section(sources: Sources) -> DiagnosisSection:
    """Return what is known of the causes."""
    profile = sources.profile
    stack = sources.resources
    found = _bottlenecks(sources, profile)
    named = [row for row in found if row.bottleneck_class != ABSTAIN]
    figure = caption = None
    if stack is not None:
        timeline = sources.folded.timeline if sources.folded else None
        timeline = timeline or timeline_of(max(1.0, sources.manifest.duration_s))
        figure = draw_resources(stack, timeline)
        cores = decimal(stack.cores_count) if stack.cores_count else ABSENT
        caption = say("resources_caption", cores=cores)
    return DiagnosisSection(
        bottlenecks=tuple(_row(row) for row in named[:BOTTLENECKS_SHOWN]),
        abstained=tuple(sentence(row.evidence) for row in found if row not in named)[:1],
        resources_caption=caption,
        resources_figure=figure,
        resources_legend=tuple(
            (role_name(role), ROLE_COLOURS[role]) for role in (stack.cores if stack else ())
        ),
        has_machine_line=stack is not None and stack.machine_cores is not None,
        profile=_view(profile, sources.stacks) if profile else None,
    )


def _bottlenecks(sources: Sources, profile: Profile | None) -> tuple[BottleneckText, ...]:
    """Return what the judge wrote down, else what the profile found."""
    if sources.judged and sources.judged.bottlenecks:
        return sources.judged.bottlenecks
    return tuple(
        BottleneckText(
            bottleneck_class=shown(row.bottleneck_class, 80),
            place=row.place,
            share=row.share,
            tier=row.tier,
            confidence=row.confidence,
            evidence=same(shown(row.evidence, 600)),
        )
        for row in (profile.bottlenecks if profile else ())
    )


def _row(row: BottleneckText) -> BottleneckRow:
    return BottleneckRow(
        name=bottleneck_name(row.bottleneck_class),
        place=shown(row.place, 200),
        share=_share(row.share),
        tier=shown(row.tier, 10),
        confidence=confidence_name(row.confidence),
        evidence=row.evidence,
    )


def _view(profile: Profile, stacks: Stacks | None) -> ProfileView:
    facts = (
        ("loop_occupancy", profile.loop_occupancy),
        ("running_share", profile.running_share),
    )
    cores = profile.cpu_cores_per_worker
    return ProfileView(
        lead=say(
            "profile_lead",
            duration=span(profile.duration_s),
            requests=count(profile.completed_requests),
            rate=count(profile.rate_hz),
        ),
        facts=(
            *((say(key), _share(value)) for key, value in facts),
            (say("cores_per_worker"), decimal(cores) if cores is not None else ABSENT),
        ),
        paths=tuple(_path(row) for row in profile.paths[:ROWS_SHOWN]),
        statements=tuple(_statement(row) for row in profile.statements[:ROWS_SHOWN]),
        blocked=tuple(
            (
                shown(row.root, 200),
                _share(row.share),
                decimal(row.sessions_mean),
                ", ".join(shown(victim, 80) for victim, _ in row.victims[:4]),
            )
            for row in profile.blocked[:ROWS_SHOWN]
        ),
        missing=tuple(shown(reason, 300) for reason in profile.missing[:ROWS_SHOWN]),
        icicle=_icicle(stacks, profile.rate_hz),
    )


def _path(row: HotPath) -> PathRow:
    return PathRow(
        function=shown(row.function, 120),
        place=shown(row.place, 160),
        self_share=_share(row.self_share),
        total_share=_share(row.total_share),
        is_own=row.is_own is True,
    )


def _statement(row: HotStatement) -> StatementRow:
    return StatementRow(
        call_site=shown(row.call_site, 160),
        query=shown(" ".join(str(row.query).split()), STATEMENT_CHARACTERS_MAX),
        calls=count(row.calls),
        total_ms=decimal(row.total_ms),
        mean_ms=decimal(row.mean_ms),
        share=_share(row.share),
    )


def _icicle(stacks: Stacks | None, rate_hz: int) -> Markup | None:
    """Draw the running stacks anew: a drawing that lies in the folder is not trusted."""
    if stacks is None:
        return None
    total = sum(stacks.counts.values())
    for share in _RARE_SHARES:
        kept = {stack: number for stack, number in stacks.counts.items() if number >= share * total}
        svg = icicle_svg(
            Stacks(counts=kept, broken_line_count=stacks.broken_line_count),
            title="",
            rate_hz=max(1, rate_hz),
        )
        if kept and len(svg) <= ICICLE_CHARACTERS_MAX:
            return Markup(svg)
    return None


def _share(share: float | None) -> str:
    if share is None or not math.isfinite(share):
        return ABSENT
    return percent(share)

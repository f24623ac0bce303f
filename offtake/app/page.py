"""The page itself: what is shown of a frame, and what each control does."""

# pyright: reportPrivateImportUsage=false, reportArgumentType=false
# (Solara marks nothing as exported, and its state has the type of its first value.)

import base64
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import solara

from offtake.app import ledger
from offtake.app.cards import card, links
from offtake.app.components import (
    CardView,
    ControlsView,
    DialsView,
    LedgerView,
    NetworkView,
    PictureView,
    Plain,
    PulseView,
)
from offtake.app.opened import opened
from offtake.app.pictures import (
    PICTURES,
    Picture,
    cloud_tones,
    drawing,
    marks_of,
    milliseconds,
    specification,
)
from offtake.app.player import FASTEST, Frame
from offtake.app.server import DRAWING
from offtake.app.session import Session
from offtake.app.snapshots import Cast, Recording, recording_of
from offtake.experiments.results import TABLES
from offtake.model.documents import LARGEST_BYTES
from offtake.model.market import Market
from offtake.model.problems import ScenarioError

PACES = {"1": 1.0, "2": 2.0, "5": 5.0, "10": 10.0, "fastest": FASTEST}
"""Months a second that one can choose from."""
STYLE = Path(__file__).with_name("page.css")


# Components that stand on Mesa's own page as well: they take a market or a recording


def _chart(picture: Picture) -> Callable[..., Any]:
    @solara.component
    def Chart(
        model: Market | Recording,
        lab: str | None = None,
        baseline: Recording | None = None,
        cursor: int | None = None,
        step: int | None = None,
    ) -> None:
        recording = recording_of(model)
        cast = recording.cast
        lab = lab or cast.listed[0]
        marks = solara.use_memo(lambda: Plain(marks_of(cast)), [cast])
        tones = solara.use_memo(lambda: cloud_tones(recording), [cast, recording.month > 0])
        PictureView(
            heading=f"{picture.title} of {lab}" if picture.key == "dependence" else picture.title,
            unit=picture.unit,
            ticks=picture.ticks,
            script=DRAWING,
            specification=Plain(specification(picture.ticks, cast.start, cast.date(cast.months))),
            drawn=Plain(drawing(picture, recording, lab=lab, baseline=baseline, tones=tones)),
            marks=marks,
            cursor=cursor,
        )

    return Chart


CHARTS = {picture.key: _chart(picture) for picture in PICTURES}
"""A component for each chart: `CHARTS[key](model)`."""


# The page


@solara.component
def Layout(children: list[Any]) -> Any:
    """Leave out Solara's own bars around the page."""
    return solara.Div(children=children)


@solara.component
def Page() -> None:
    """Everything of one session."""
    frame, show = solara.use_state(None)
    session, keep = solara.use_state(None)

    def begin() -> Callable[[], None]:
        begun = Session(opened.scenario, opened.seed, show)
        keep(begun)
        return begun.close

    solara.use_effect(begin, [])
    solara.Title("offtake")
    solara.Style(STYLE)
    if session is not None:
        _Session(session, frame)


@solara.component
def _Session(session: Session, frame: Frame | None) -> None:
    """Show a frame, and turn what the user does into orders."""
    scrubbed, scrub = solara.use_state(None)
    chosen, choose = solara.use_state("")
    answer, set_answer = solara.use_state(None)
    parcel, send = solara.use_state(None)
    said, say = solara.use_state("")
    pace, set_pace = solara.use_state("fastest")
    comparing, set_comparing = solara.use_state(False)
    turned, turn = solara.use_state(0)  # how often the session itself was changed
    dials = solara.use_memo(
        lambda: Plain([dataclasses.asdict(dial) for dial in session.dials]), [session.dials]
    )
    recording = frame.recording if frame is not None else None
    player = session.player

    def tried(work: Callable[[], object]) -> None:
        """Do what the user asked for; what is wrong with it is said beside the dials."""
        try:
            found = work()
        except (ScenarioError, ValueError) as error:
            found = str(error)
        say(found if isinstance(found, str) else "")
        turn(lambda count: count + 1)

    def begin(work: Callable[[], object]) -> Callable[..., None]:
        def beginning(*given: Any) -> None:
            scrub(None)
            set_answer(None)
            tried(lambda: work(*given))

        return beginning

    def hand_over(made: Callable[[], tuple[str, bytes]]) -> str:
        name, content = made()
        send({"name": name, "content": base64.b64encode(content).decode(), "time": turned})
        return f"{name} is among your downloads."

    def ask(number: int) -> None:
        asked = answer is not None and answer["event"] == number
        steps = ledger.why(recording, number) if recording is not None and not asked else []
        set_answer(None if asked else {"event": number, "steps": [list(step) for step in steps]})

    def paced(pace: str) -> None:
        if pace in PACES:
            set_pace(pace)
            player.pace(PACES[pace])

    def compared(wanted: bool) -> None:
        set_comparing(wanted)
        player.compare(wanted)

    with solara.Div(classes=["ot-page"]):
        with solara.Div(classes=["ot-top"]):
            ControlsView(
                **_told(session, frame, scrubbed),
                paces=Plain(list(PACES)),
                pace=pace,
                seed=session.seed,
                comparing=comparing,
                event_play=lambda *_: player.play(),
                event_pause=lambda *_: player.pause(),
                event_step=lambda *_: player.step(),
                event_run_to=lambda month: player.run_to(int(month)),
                event_run_to_event=lambda *_: player.run_to_event(),
                event_reset=begin(lambda *_: session.reset()),
                event_set_pace=paced,
                event_set_seed=lambda seed: tried(lambda: session.sow(seed)),
                event_compare=compared,
                event_scrub=scrub,
            )
        with solara.Div(classes=["ot-side"]):
            DialsView(
                dials=dials,
                moved=Plain(session.moved),
                scenario=session.scenario,
                scenarios=Plain(list(session.scenarios)),
                said=said,
                command=session.command,
                largest=LARGEST_BYTES,
                event_turn=lambda to: tried(lambda: session.turn(to["path"], to["value"])),
                event_restore=lambda *_: tried(session.restore),
                event_choose=begin(session.choose),
                event_save=lambda name: tried(lambda: hand_over(lambda: session.save(name))),
                event_load=begin(session.load),
                event_refuse=lambda size: say(
                    f"the file has {size:_} bytes, at most {LARGEST_BYTES:_} are read"
                ),
            )
        with solara.Div(classes=["ot-main-part"]):
            if recording is not None:
                _Board(
                    recording=recording,
                    baseline=frame.baseline if frame is not None else None,
                    month=recording.month if scrubbed is None else scrubbed,
                    chosen=chosen if chosen in recording.cast.kinds else recording.cast.listed[0],
                    choose=choose,
                    answer=answer,
                    ask=ask,
                )
            PulseView(
                number=frame.number if frame is not None else 0,
                parcel=Plain(parcel),
                tables=Plain(list(TABLES)),
                event_drawn=player.drawn,
                event_download=lambda wanted: tried(
                    lambda: hand_over(lambda: session.table(wanted["table"], wanted["form"]))
                ),
            )


@solara.component
def _Board(
    recording: Recording,
    baseline: Recording | None,
    month: int,
    chosen: str,
    choose: Callable[[str], None],
    answer: dict[str, Any] | None,
    ask: Callable[[int], None],
) -> None:
    """Charts, network, card and ledger; the charts show all that is recorded, the others the month."""
    cast = recording.cast
    seen = recording.until(month)
    cursor = milliseconds(cast.date(month - 1)) if month else None
    lab = chosen if chosen in cast.labs else cast.listed[0]
    with solara.Div(classes=["ot-board"]):
        for chart in CHARTS.values():
            chart(recording, lab=lab, baseline=baseline, cursor=cursor)
        NetworkView(drawn=Plain(links(seen)), chosen=chosen, event_select=choose)
        CardView(
            card=Plain(card(seen, chosen)),
            names=Plain(sorted(cast.kinds)),
            event_select=choose,
        )
        LedgerView(told=Plain(ledger.latest(seen)), answer=Plain(answer), event_ask=ask)


def _told(session: Session, frame: Frame | None, scrubbed: int | None) -> dict[str, Any]:
    """Return what the controls tell of a frame."""
    scenario = session.reading.scenario
    told: dict[str, Any] = {
        "name": scenario.name,
        "question": scenario.question,
        "months": scenario.months,
        "moved": len(session.moved),
        "due": frame is not None and session.setting != frame.setting,
        "problem": frame.problem if frame is not None else None,
        "playing": frame.playing if frame is not None else False,
    }
    recording = frame.recording if frame is not None else None
    if recording is None:
        return {**told, "date": "opening", "shown": 0, "recorded": 0, "ended": False} | _events(
            None, 0
        )
    shown = recording.month if scrubbed is None else min(scrubbed, recording.month)
    date = recording.cast.date(max(shown - 1, 0))
    return {
        **told,
        "months": recording.cast.months,
        "date": f"{date:%B %Y}" if shown else f"before {date:%B %Y}",
        "shown": shown,
        "recorded": recording.month,
        "ended": recording.ended,
    } | _events(recording.cast, shown)


def _events(cast: Cast | None, month: int) -> dict[str, Any]:
    """Return what the scenario dates for a month, and what it dates next."""
    marks = cast.marks if cast is not None else ()
    later = [mark for mark in marks if mark.month > month]
    upcoming = f"{later[0].date:%d %b %Y}: {later[0].what}" if later else ""
    return {
        "happened": Plain([m.what for m in marks if month - 1 < m.month <= month]),
        "upcoming": upcoming,
    }

"""The page's controller: what a frame is, when it goes, and who owns the market."""

import gc
import threading
import weakref

import numpy as np
import pytest

from offtake.app.player import FRAMES_PER_SECOND, SECONDS_UNTIL_LOST, Outbox, Player, Setting
from offtake.app.snapshots import Watcher
from offtake.experiments.run import run

DUOPOLY = Setting(scenario="duopoly")
PATIENCE_SECONDS = 60


class Screen:
    """A browser in miniature: keeps frames, and says that it has drawn them unless it is stuck."""

    def __init__(self, setting=DUOPOLY, *, stuck=False, work=None):
        self.frames = []
        self.stuck = stuck
        self.work = work
        self.came = threading.Condition()
        self.ready = threading.Event()
        self.player = Player(setting, self.show)
        self.ready.set()

    def show(self, frame):
        self.ready.wait()
        if self.work:
            self.work(frame)
        with self.came:
            self.frames.append(frame)
            self.came.notify_all()
        if not self.stuck:
            self.player.drawn(frame.number)

    def wait(self, wanted):
        with self.came:
            assert self.came.wait_for(
                lambda: self.frames and wanted(self.frames[-1]), PATIENCE_SECONDS
            ), self.frames[-1:]
            return self.frames[-1]

    def months(self, count):
        return self.wait(
            lambda f: f.recording and f.recording.month == count and not f.playing and not f.problem
        )


@pytest.fixture
def screen(request):
    shown = Screen(**getattr(request, "param", {}))
    yield shown
    shown.player.close()
    assert shown.player.join(PATIENCE_SECONDS)


def values(result, observable):
    rows = result.trajectories.filter(observable=observable).sort("month", "name", "other")
    return rows["value"].to_numpy()


@pytest.mark.parametrize(
    "overrides", [(), ("building.fee_leased=1.5", "demand.churn_per_month=0.01")]
)
def test_a_setting_gives_the_numbers_of_the_same_run_on_the_command_line(screen, overrides):
    screen.player.reset(Setting(scenario="duopoly", overrides=overrides, seed=7))
    screen.player.run_to(9)
    seen = screen.wait(lambda f: f.setting.seed == 7 and f.recording.month == 9).recording
    told = run("duopoly", seed=7, months=9, overrides=overrides)
    for observable in ("price_new", "hhi_compute"):
        assert np.array_equal(
            seen.values(observable)[:, 0], values(told, observable), equal_nan=True
        )
    by_lab = seen.values("need_h100e")[:, np.argsort(seen.cast.labs)]
    assert np.array_equal(by_lab.ravel(), values(told, "need_h100e"))


def test_it_steps_runs_to_a_month_and_stops_at_the_end(screen):
    screen.player.step()
    screen.months(1)
    screen.player.run_to(3)
    screen.months(3)
    screen.player.play()
    last = screen.wait(lambda f: f.recording.ended)
    assert last.recording.month == last.recording.cast.months
    screen.player.step()
    assert screen.player.ask(lambda market: market.month) == last.recording.cast.months


def test_it_runs_to_the_month_of_the_next_dated_event(screen):
    first = screen.months(0).recording.cast.marks[0]
    screen.player.run_to_event()
    assert screen.months(int(np.ceil(first.month)))


def test_it_pauses_between_two_months(screen):
    screen.player.pace(1.0)
    screen.player.play()
    screen.wait(lambda f: f.playing)
    screen.player.pause()
    assert screen.wait(lambda f: not f.playing).recording.month < 24


@pytest.mark.parametrize("screen", [{"stuck": True}], indirect=True)
def test_a_browser_that_draws_nothing_gets_one_frame_and_then_the_latest(screen):
    first = screen.wait(lambda f: f.recording is not None)
    screen.player.run_to(5)
    assert screen.player.ask(lambda market: market.month) <= 5
    while screen.player.ask(lambda market: market.month) < 5:
        pass
    assert screen.frames == [first]
    screen.stuck = False
    screen.player.drawn(first.number)
    assert screen.months(5).number == first.number + 1


def test_frames_go_five_a_second_at_most_and_one_at_a_time():
    outbox = Outbox()
    number = outbox.send()
    began = outbox.opens_at() - SECONDS_UNTIL_LOST
    outbox.arrived(number)
    assert outbox.opens_at() == pytest.approx(began + 1 / FRAMES_PER_SECOND)
    outbox.send()
    outbox.arrived(number)
    assert outbox.opens_at() >= began + SECONDS_UNTIL_LOST, (
        "an old sign says nothing of a new frame"
    )


def test_drawing_that_takes_longer_than_a_month_neither_stops_nor_disorders_it():
    drawn = threading.Event()
    screen = Screen(work=lambda frame: drawn.wait(0.05))
    screen.player.play()
    last = screen.wait(lambda f: f.recording and f.recording.ended)
    months = [f.recording.month for f in screen.frames if f.recording]
    assert months == sorted(months)
    assert len(screen.frames) <= last.recording.cast.months
    screen.player.close()
    assert screen.player.join(PATIENCE_SECONDS)


def test_what_is_seen_is_never_half_a_month_even_while_another_thread_steps():
    market = DUOPOLY.market()
    watcher = Watcher(market)
    done = threading.Event()

    def step():
        for _ in range(20):
            market.step()
        done.set()

    stepping = threading.Thread(target=step)
    stepping.start()
    seen = {}
    while not done.is_set():
        recording = watcher.look()
        seen[recording.month] = recording
    stepping.join()
    seen[20] = watcher.look()
    whole = Watcher(market).look()
    for month, recording in seen.items():
        for name in whole.snapshots[0].values:
            part = whole.values(name)[:month]
            assert month == 0 or np.array_equal(recording.values(name), part, equal_nan=True)
    assert seen[20].month == 20


def test_a_frame_stays_as_it_was_while_the_market_goes_on(screen):
    screen.player.run_to(2)
    frame = screen.months(2)
    before = {name: frame.recording.values(name).copy() for name in frame.recording.at(2).values}
    screen.player.run_to(6)
    screen.months(6)
    assert frame.recording.month == 2
    for name, kept in before.items():
        assert np.array_equal(frame.recording.values(name), kept, equal_nan=True)
    with pytest.raises(ValueError, match="read-only"):
        frame.recording.at(1).values["price_new"][0] = 1.0
    with pytest.raises(TypeError):
        frame.recording.at(1).deposits_cents["Aster"] = 0


def test_two_players_share_nothing():
    one, other = Screen(), Screen()
    one.player.run_to(3)
    assert one.months(3).recording.month == 3
    assert other.months(0).recording.month == 0
    for screen in (one, other):
        screen.player.close()
        assert screen.player.join(PATIENCE_SECONDS)


def test_the_baseline_is_the_same_seed_without_the_dials(screen):
    screen.player.reset(Setting(scenario="duopoly", overrides=("building.fee_leased=3",), seed=3))
    screen.player.compare(True)
    baseline = screen.wait(lambda f: f.baseline is not None and f.baseline.ended).baseline
    told = run("duopoly", seed=3)
    assert np.array_equal(
        baseline.values("price_new")[:, 0], values(told, "price_new"), equal_nan=True
    )
    screen.player.compare(False)
    assert screen.wait(lambda f: f.baseline is None)


def test_a_scenario_that_cannot_be_is_told_and_the_market_stays(screen):
    screen.player.step()
    screen.months(1)
    screen.player.reset(Setting(scenario="duopoly", overrides=("demand.churn_per_month=7",)))
    frame = screen.wait(lambda f: f.problem is not None)
    assert "demand.churn_per_month" in frame.problem
    assert frame.recording.month == 1
    screen.player.reset(DUOPOLY)
    assert screen.months(0).problem is None


def test_a_question_that_fails_is_its_askers_problem(screen):
    with pytest.raises(ZeroDivisionError):
        screen.player.ask(lambda market: market.month // 0)
    screen.player.step()
    assert screen.months(1).problem is None


def test_a_pace_is_above_nothing(screen):
    with pytest.raises(ValueError, match="above 0 months a second"):
        screen.player.pace(0)


def test_nothing_is_left_of_markets_that_were_reset_or_closed():
    screen = Screen()
    screen.months(0)
    refs = [weakref.ref(screen.player.ask(lambda market: market))]
    for seed in range(2, 5):
        screen.player.reset(Setting(scenario="duopoly", seed=seed))
        screen.wait(lambda f, seed=seed: f.setting.seed == seed)
        refs.append(weakref.ref(screen.player.ask(lambda market: market)))
    screen.player.close()
    assert screen.player.join(PATIENCE_SECONDS)
    gc.collect()
    assert [ref() for ref in refs] == [None] * 4

"""Why things happened: replays, effects of deals, rivals, and the same run without one event."""

import json
import math
import subprocess
import sys
from dataclasses import replace

import polars as pl
import pytest

import offtake as ot
from offtake.cli import call
from offtake.experiments import charts
from offtake.experiments.explaining.effects import deal_effects, grouped
from offtake.experiments.explaining.explanation import NothingToExplain, explain
from offtake.experiments.explaining.removals import CannotRemove, removal
from offtake.experiments.explaining.replay import SPOT, OtherModel, Replay, replay, same_run
from offtake.experiments.explaining.tables import BARRED, WON
from offtake.experiments.explaining.why import NoSuchContract
from offtake.experiments.explaining.wording import text
from offtake.experiments.results import Result
from offtake.model.market import Market
from offtake.model.omissions import Omission

WIDEST = 80
LAB, CLOUD = "Lab B", "Cloud Y"


@pytest.fixture(scope="module")
def result() -> Result:
    return ot.run("duopoly", seeds=3)


@pytest.fixture(scope="module")
def again(result) -> Replay:
    return replay(result.scenario, 1, result.manifest["months"], watched={"Lab A", LAB})


# --- replays --------------------------------------------------------------------------------------


def test_a_watched_replay_is_the_same_run(result, again):
    same_run(result, again)
    for name, frame in again.frames.items():
        assert frame.equals(getattr(result, name).filter(seed=1)), name


def test_results_of_another_model_are_refused(result, again):
    other = pl.when(pl.col("kind") == "Signed").then(pl.lit("Ended")).otherwise(pl.col("kind"))
    changed = replace(result, events=result.events.with_columns(kind=other))
    with pytest.raises(OtherModel, match=r"part at event \d+ of \d+"):
        same_run(changed, again)


def test_deliveries_add_up_to_what_labs_get(again):
    by_month = again.deliveries.group_by("month", "buyer").agg(pl.col("h100e").sum())
    rows = again.frames["trajectories"].filter(observable="delivered_h100e")
    stated = {(m, n): v for m, n, v in rows.select("month", "name", "value").iter_rows()}
    for month, lab, h100e in by_month.iter_rows():
        assert math.isclose(h100e, stated[month, lab], rel_tol=1e-6)


# --- effects --------------------------------------------------------------------------------------


@pytest.mark.parametrize("lab", ["Lab A", "Lab B"])
@pytest.mark.parametrize("cloud", ["Cloud X", "Cloud Y"])
@pytest.mark.parametrize(("since", "until"), [(0, 23), (7, 8), (5, 17)])
def test_effects_add_up_to_the_change(again, lab, cloud, since, until):
    effects = deal_effects(again.deliveries, lab, cloud, since=since, until=until)
    change = again.dependence(lab, cloud, until) - again.dependence(lab, cloud, since)
    assert math.isclose(math.fsum(effects["effect"].to_list()), change, abs_tol=1e-6)
    short = grouped(effects, 2)
    assert math.isclose(math.fsum(short["effect"].to_list()), change, abs_tol=1e-6)
    assert short.height <= effects.height


def test_the_effect_of_one_delivery_is_known_by_hand():
    """A lab with 100 of A gains 100 of B: A falls from 1 to 1/2, all of it by B's contract."""
    deliveries = pl.DataFrame(
        [(0, "a", "L", "A", 100.0), (1, "a", "L", "A", 100.0), (1, "b", "L", "B", 100.0)],
        schema=["month", "contract", "buyer", "seller", "h100e"],
        orient="row",
    )
    effects = deal_effects(deliveries, "L", "A", until=1)
    assert effects.select("contract", "way", "effect").rows() == [("b", "more", -0.5)]


def test_effects_do_not_depend_on_the_order_of_rows(again):
    shuffled = again.deliveries.sample(fraction=1, shuffle=True, seed=3)
    one, other = (
        deal_effects(rows, "Lab A", "Cloud X", until=23) for rows in (again.deliveries, shuffled)
    )
    for left, right in zip(one.iter_rows(), other.iter_rows(), strict=True):
        assert left[:3] == right[:3]
        assert math.isclose(left[5], right[5], abs_tol=1e-12)


# --- who bid --------------------------------------------------------------------------------------


def test_whoever_signed_is_said_to_have_won(again):
    signed = again.frames["events"].filter(kind="Signed")
    deals = signed.filter(pl.col("cause").str.starts_with("tender:"))
    won = again.bids.filter(status=WON)
    for actor, target, cause in deals.select("actor", "target", "cause").iter_rows():
        month = int(cause.rsplit(" ", 1)[1])
        assert not won.filter(month=month, lab=actor, cloud=target).is_empty()


def test_every_bid_that_did_not_win_has_a_reason(again):
    lost = again.bids.filter(pl.col("status") != WON)
    assert lost.height > 0
    assert lost.filter(pl.col("reason").str.len_chars() == 0).is_empty()


def test_an_exclusivity_bars_by_its_name(again):
    barred = again.bids.filter(status=BARRED, lab=LAB, cloud="Cloud X")
    assert set(barred["reason"]) == {"supply exclusivity of Cloud Y over Lab B (lab-b-cloud-y)"}
    free = again.bids.filter(pl.col("month") > 12, lab=LAB, cloud="Cloud X")
    assert BARRED not in set(free["status"])


def test_why_names_terms_causes_and_rivals(result):
    signed = result.contracts.filter(pl.col("signed_month") > 0, seed=2)
    name = signed["contract"][0]
    why = result.why(name, seed=2)
    assert why.terms["price_usd_per_h100e_hour"] == signed["price_usd_per_h100e_hour"][0]
    assert why.bids[0].status == WON
    assert why.bids[0].cloud == signed["seller"][0]
    assert {bid.cloud for bid in why.bids} == set(result.scenario.clouds)
    assert f"signs with {signed['seller'][0]}" in why.causes[0]
    assert "asks for capacity" in why.causes[1]
    assert max(map(len, why.text().splitlines())) <= WIDEST


def test_a_given_contract_has_no_rivals(result):
    why = result.why(result.contracts.filter(signed_month=0.0)["contract"][0])
    assert why.bids == ()
    assert "no tender" in why.text()


def test_an_unknown_contract_is_refused_with_the_nearest(result):
    with pytest.raises(NoSuchContract, match="'Lab A with Cloud X 1'"):
        result.why("Lab A with Clod X 1")
    with pytest.raises(NoSuchContract, match="seed 9 is not among the runs"):
        result.why("Lab A with Cloud X 1", seed=9)


# --- leaving one thing out ------------------------------------------------------------------------


def test_leaving_nothing_out_changes_nothing(result, again):
    bare = Market(result.scenario, rng=1, without=[Omission("sign", "nobody with nobody 1")])
    for _ in range(result.manifest["months"]):
        bare.step()
    assert bare.frames()["trajectories"].equals(again.frames["trajectories"])


def test_a_signature_left_out_leaves_all_before_it_as_it_was(result, again):
    events = again.frames["events"]
    row = events.filter(kind="Signed").filter(pl.col("month") > 2).row(0, named=True)
    taken = removal(result.scenario, events, row["event"])
    assert taken.without == {Omission("sign", row["detail"])}
    other = replay(taken.scenario, 1, 24, without=taken.without)
    before = pl.col("event") < row["event"]
    assert other.frames["events"].filter(before).equals(events.filter(before))
    assert other.frames["contracts"].filter(contract=row["detail"]).is_empty()
    assert not other.frames["trajectories"].equals(again.frames["trajectories"])


def test_runs_without_something_keep_the_rules_of_the_model(result, again):
    for name in again.frames["contracts"].filter(pl.col("signed_month") > 0)["contract"].head(3):
        market = Market(result.scenario, rng=1, check=True, without=[Omission("sign", name)])
        for _ in range(12):
            market.step()  # raises if an invariant is broken


def test_a_lapsed_clause_goes_on_when_its_end_is_left_out(result, again):
    events = again.frames["events"]
    number = events.filter(kind="Lapsed", actor=LAB, detail="SupplyExclusivity")["event"][0]
    taken = removal(result.scenario, events, number)
    other = replay(taken.scenario, 1, 24, watched={LAB})
    late = other.bids.filter(pl.col("month") > 13, cloud="Cloud X", lab=LAB)
    assert set(late["status"]) <= {BARRED}


def test_a_given_contract_can_be_taken_out(result, again):
    events = again.frames["events"]
    given = events.filter(pl.col("cause").str.starts_with("scenario:contracts."))
    taken = removal(result.scenario, events, given["event"][-1])
    assert len(taken.scenario.contracts) == len(result.scenario.contracts) - 1


def test_policies_events_and_tranches_can_be_left_out():
    scenario = ot.load_scenario("stargate-2025")
    whole = replay(scenario, 1, 5)
    events = whole.frames["events"].filter(pl.col("month") > 0)
    seen = []
    for kind in ("Enacted", "Repealed", "Happened", "Settled"):
        row = events.filter(kind=kind).row(0, named=True)
        taken = removal(scenario, whole.frames["events"], row["event"])
        other = replay(taken.scenario, 1, math.ceil(row["month"]) + 1, without=taken.without)
        after = other.frames["events"].filter(kind=kind, target=row["target"])
        assert after.is_empty(), kind
        seen.append(next(iter(taken.without)).kind)
    assert seen == ["enact", "repeal", "happen", "tranche"]


def test_what_follows_from_others_cannot_be_left_out(result, again):
    events = again.frames["events"]
    ended = events.filter(pl.col("kind").is_in(["Ended", "Stepped"]))["event"][0]
    with pytest.raises(CannotRemove, match="remove the signature"):
        removal(result.scenario, events, ended)
    with pytest.raises(CannotRemove, match="no event 999999"):
        removal(result.scenario, events, 999_999)


# --- the explanation ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found(result):
    return explain(result, "Lab A", "Cloud X", seed=1, counterfactuals=2)


def test_an_explanation_adds_up_and_tells_all_of_it(found, again):
    total = math.fsum(each.effect for each in found.effects)
    assert math.isclose(total, found.after - found.before, abs_tol=1e-6)
    assert found.after == again.dependence("Lab A", "Cloud X", 23)
    refused = again.frames["events"].filter(kind="Refused", actor="Lab A").height
    assert sum(each.lots for each in found.refusals) == refused
    assert all(each.reason for each in found.refusals)


def test_a_counterfactual_is_the_difference_of_two_runs(found, again):
    one = found.counterfactuals[0]
    taken = removal(again.scenario, again.frames["events"], one.event)
    other = replay(taken.scenario, 1, 24, without=taken.without)
    assert one.without == other.dependence("Lab A", "Cloud X", 23)
    assert math.isclose(one.difference, found.after - one.without)


def test_an_event_may_be_named(result, again):
    number = again.frames["events"].filter(kind="Stepped")["event"][0]
    found = explain(result, "Lab A", "Cloud X", seed=1, without=[number])
    (one,) = found.counterfactuals
    assert "cannot be taken out by itself" in one.reason
    assert "not run" in text(found)


def test_the_text_fits_a_terminal(found):
    lines = text(found).splitlines()
    assert max(map(len, lines)) <= WIDEST
    assert lines[0].startswith("Lab A gets ")
    assert "the same run without one event" in text(found).lower()


def test_the_document_is_json_and_says_what_it_is(found):
    told = json.loads(json.dumps(found.as_dict(), allow_nan=False, default=str))
    assert told["schema"] == "offtake.explain/1"
    assert math.isclose(
        math.fsum(each["effect"] for each in told["effects"]),
        told["dependence"]["after"] - told["dependence"]["before"],
        abs_tol=1e-6,
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"lab": "Lab C"}, "no lab is called 'Lab C'; there are Lab A, Lab B"),
        ({"cloud": "Sky"}, "no cloud is called 'Sky'"),
        ({"month": 40}, "are no span of the results"),
        ({"seed": 7}, "seed 7 is not among the runs"),
    ],
)
def test_questions_that_do_not_fit_are_refused(result, given, said):
    asked = {"lab": "Lab A", "cloud": "Cloud X"} | given
    with pytest.raises(NothingToExplain, match=said):
        explain(result, **asked)


def test_the_waterfall_runs_from_one_end_to_the_other(found, result):
    steps = pl.DataFrame(
        [(each.what, each.seller, each.effect) for each in found.effects],
        schema=["label", "cloud", "effect"],
        orient="row",
    )
    chart = charts.waterfall(
        steps,
        before=found.before,
        after=found.after,
        heads=("January 2025", "December 2026"),
        tones=charts.company_tones(result.trajectories),
        title="What moved it",
        subtitle="One run",
    )
    rows = next(r for r in chart.to_dict()["datasets"].values() if "said" in r[0])
    assert rows[0]["to"] == pytest.approx(found.before, abs=1e-3)
    assert rows[-2]["to"] == pytest.approx(rows[-1]["to"], abs=1e-3)
    assert [row["from"] for row in rows[1:-1]] == pytest.approx(
        [row["to"] for row in rows[:-2]], abs=1e-3
    )


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(result, tmp_path_factory) -> str:
    return str(result.write(tmp_path_factory.mktemp("results") / "first"))


def test_the_command_in_a_process_of_its_own(folder):
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from offtake.cli import main; main()", "explain", folder),
            *("--lab", LAB, "--cloud", CLOUD, "--month", "2026-06", "--json", "-q"),
            *("--counterfactuals", "1"),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    told = json.loads(done.stdout)
    assert (told["lab"], told["cloud"], told["month"]) == (LAB, CLOUD, "2026-06")
    assert len(told["counterfactuals"]) == 1


def test_one_contract_is_explained(folder, capsys):
    args = ["explain", folder, "--contract", "Lab A with Cloud X 1"]
    assert call([*args, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "offtake.why/1"
    assert told["bids"]
    assert call(["explain", folder, "--contract", "nothing"]) == 2
    assert "no run has a contract 'nothing'" in capsys.readouterr().err


def test_spot_is_told_net_of_its_falls(again):
    effects = deal_effects(again.deliveries, "Lab A", "Cloud X", until=23)
    assert set(effects.filter(contract=SPOT)["way"]) <= {"net"}

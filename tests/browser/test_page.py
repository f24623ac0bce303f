"""The page in a browser: what a strategist does on it, and what nobody else may."""

import json

import polars as pl
import pytest

from offtake.cli import call
from offtake.experiments.run import run
from tests.browser.conftest import Visit, serving

LEASE_FEE = "building.fee_leased"


def price(result):
    """Return the price of contracts in force in the last month, as the page writes it."""
    rows = result.trajectories.filter(observable="price_contract").sort("month")
    return f"${rows['value'][-1]:.2f}"


def test_it_steps_plays_to_the_end_and_scrubs_back(visit):
    visit.button("Step").click()
    visit.at_month(1)
    visit.button("▶ Play").click()
    visit.at_month(24)
    assert visit.button("Step").is_disabled()
    assert price(run("duopoly")) in visit.legend("Prices")
    visit.label("Month shown").fill("6")
    visit.page.get_by_text("(recorded to 24)").wait_for()
    assert price(run("duopoly", months=6)) in visit.legend("Prices")
    for width in (1280, 800):
        visit.page.set_viewport_size({"width": width, "height": 900})
        visit.page.wait_for_timeout(300)
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        visit.keep(f"page-{width}")


def test_a_moved_dial_acts_from_the_next_reset_on_and_is_compared(visit):
    visit.label("Find a dial").fill("months tau_b")
    visit.page.get_by_label("building, Order, months").fill("3")
    visit.page.get_by_label("building, Order, months").press("Enter")
    visit.button("Reset with 1 moved").click()
    visit.label("compare with baseline").check()
    visit.button("▶ Play").click()
    visit.at_month(24)
    told = run("duopoly", overrides=["building.order_months=3.0"])
    assert price(told) in visit.legend("Prices")
    visit.page.get_by_text("dotted: baseline").first.wait_for()
    visit.page.get_by_text("Table of prices").click()
    heads = visit.page.locator("table").filter(has_text="Spot, baseline")
    heads.get_by_role("columnheader", name="Contracts in force, baseline").wait_for()


def test_dials_are_saved_as_a_scenario_that_runs_and_loaded_again(visit, tmp_path, capsys):
    visit.label("Find a dial").fill("fund-a")
    visit.page.get_by_label("tranches.fund-a, Amount, USD").fill("0")
    visit.page.get_by_label("tranches.fund-a, Amount, USD").press("Enter")
    visit.page.get_by_label("tranches.fund-a, Reduced, USD").fill("0")
    visit.page.get_by_label("tranches.fund-a, Reduced, USD").press("Enter")
    visit.button("Put 2 back").wait_for()
    visit.label("Name to save the dials under").fill("without-fund")
    with visit.page.expect_download() as download:
        visit.button("Save dials").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert call(["run", str(file), "--months", "6", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["scenario"]["name"] == "without-fund"
    visit.button("Put 2 back").click()
    visit.page.get_by_label("Load a scenario file").set_input_files(file)
    visit.button("Put 2 back").wait_for()


def test_a_scenario_with_mistakes_is_told_and_changes_nothing(visit, tmp_path):
    file = tmp_path / "wrong.toml"
    file.write_text('format = 1\nname = "wrong"\nextends = "../secret.toml"\n', "utf-8")
    visit.page.get_by_label("Load a scenario file").set_input_files(file)
    visit.page.get_by_text("leads out of the folder").wait_for()
    visit.page.get_by_role("heading", name="duopoly").wait_for()


def test_why_is_followed_to_where_it_begins(visit):
    visit.label("Run to month").fill("8")
    visit.button("Run").click()
    visit.at_month(8)
    why = visit.page.get_by_role("button", name="Why?").first
    why.click()
    chain = visit.page.locator(".ot-chain li")
    chain.first.wait_for()
    assert why.get_attribute("aria-expanded") == "true"
    assert chain.count() >= 2
    assert chain.last.inner_text().startswith(("because of", "the scenario says so"))


def test_a_participant_is_chosen_with_the_keyboard_and_has_a_card(visit):
    visit.page.keyboard.press("ArrowRight")
    visit.at_month(1)
    visit.button("Card of Cloud X").focus()
    visit.page.keyboard.press("Enter")
    card = visit.page.get_by_role("region", name="Participant", exact=True)
    card.get_by_role("heading", name="Cloud X").wait_for()
    card.get_by_text("Deposits").wait_for()
    card.get_by_text("Contracts (").click()
    assert card.get_by_role("columnheader", name="take-or-pay").is_visible()


def test_the_keyboard_plays_steps_and_resets(visit):
    visit.page.keyboard.press("ArrowRight")
    visit.at_month(1)
    visit.page.keyboard.press("r")
    visit.at_month(0)
    visit.label("Speed").select_option("1")
    visit.page.locator("h1").click()
    visit.page.keyboard.press("Space")
    visit.button("❚❚ Pause").wait_for()
    visit.page.keyboard.press("Space")
    visit.button("▶ Play").wait_for()


@pytest.mark.parametrize("seed", ["43", "four"])
def test_a_seed_is_a_whole_number_and_nothing_else_kills_the_page(visit, seed):
    visit.label("Seed").fill(seed)
    visit.label("Seed").press("Enter")
    if seed == "four":
        visit.page.get_by_text("a seed is a whole number").wait_for()
    visit.button("Reset").click()
    visit.button("Step").click()
    visit.at_month(1)
    assert price(run("duopoly", months=1, seed=43 if seed == "43" else 1)) in visit.legend("Prices")


def test_every_control_has_a_name_for_those_who_do_not_see_it(visit):
    visit.label("Find a dial").fill("a")
    visit.label("Find a dial").fill("policies")
    visit.page.get_by_label("in force").first.wait_for()
    nameless = """[...document.querySelectorAll("button, input, select, [role=button]")]
      .filter((at) => !at.ariaLabel && !at.labels?.length && !at.textContent.trim())
      .map((at) => at.outerHTML)"""
    assert visit.page.evaluate(nameless) == []


def test_a_window_that_is_closed_leaves_no_session(browser, served):
    address, cookies = served
    lasting = Visit(browser, cookies).open(address)

    def sessions():
        return lasting.context.request.get(f"{address}resourcez").json()["kernels"]["total"]

    passing = Visit(browser, cookies).open(address)
    with_both = sessions()
    passing.page.close(run_before_unload=True)
    for _ in range(100):
        if sessions() < with_both:
            break
        lasting.page.wait_for_timeout(100)
    assert sessions() < with_both
    lasting.finish()


def test_two_sessions_share_no_state(browser, served):
    address, cookies = served
    one, other = (Visit(browser, cookies).open(address) for _ in range(2))
    for month in (1, 2, 3):
        one.button("Step").click()
        one.at_month(month)
    other.at_month(0)
    other.button("Step").click()
    other.at_month(1)
    one.finish()
    other.finish()


def test_tables_are_downloaded(visit, tmp_path):
    visit.button("Step").click()
    visit.at_month(1)
    visit.page.get_by_label("Table to download").select_option("contracts")
    for form, read in (("CSV", pl.read_csv), ("Parquet", pl.read_parquet)):
        with visit.page.expect_download() as download:
            visit.button(form).click()
        file = tmp_path / download.value.suggested_filename
        download.value.save_as(file)
        assert file.name == f"duopoly-seed-1-month-1-contracts.{form.lower()}"
        assert read(file).height == run("duopoly", months=1).contracts.height


def test_mesas_own_page_shows_our_charts(browser):
    with serving("--plain") as (_, link):
        visit = Visit(browser)
        visit.page.goto(link)
        visit.page.get_by_text("Time: 0.0").wait_for()
        visit.page.get_by_label("Seed").fill("43")
        visit.page.get_by_label("Seed").press("Enter")
        visit.button("Reset").click()
        for month in (1, 2):
            visit.button("Step").click()
            visit.page.get_by_text(f"Time: {month}.0").wait_for()
        visit.page.get_by_text("Contracts in force").wait_for()
        visit.page.locator(".ot-chart canvas").wait_for()
        visit.keep("plain")
        visit.finish()

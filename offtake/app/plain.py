"""Mesa's own page of a market, as an example: a model class, sliders, and the charts of our page."""

# pyright: reportPrivateImportUsage=false, reportArgumentType=false
import solara
from mesa.visualization import Slider, SolaraViz, make_plot_component
from mesa.visualization.utils import update_counter

from offtake.app.page import CHARTS
from offtake.model.market import Market
from offtake.model.reading import load_scenario


class Dialled(Market):
    """A market whose dials are keywords, as Mesa's page wants them."""

    def __init__(self, *, quality: float = 0.3, lease_fee: float = 0.5, rng: int = 1) -> None:
        dials = f"demand.quality_return={quality}", f"building.fee_leased={lease_fee}"
        super().__init__(load_scenario("stargate-2025", overrides=dials), rng=rng)


@solara.component
def Prices(model: Market) -> None:
    """Draw our chart of prices again whenever Mesa has taken a step."""
    update_counter.get()
    CHARTS["prices"](model, step=model.month)


@solara.component
def Page() -> None:
    """Show a market of this session's own."""
    SolaraViz(
        solara.use_memo(Dialled, []),
        components=[(Prices, 0), make_plot_component("price_new", backend="altair")],
        model_params={
            "quality": Slider("Return of quality to training", 0.3, 0.1, 0.9, 0.1),
            "lease_fee": Slider("Fee for cancelling a lease, years of rent", 0.5, 0.1, 1.5, 0.1),
            "rng": {"type": "InputText", "value": 1, "label": "Seed"},
        },
        name="A market for AI compute",
    )

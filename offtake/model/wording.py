"""From the keys of a scenario to the terms of payment and delivery of a contract."""

import math
from typing import TypedDict

from offtake.model.scenario import PaymentTerms
from offtake.model.terms import DelayDamages, Indexation, LongStop, MakeUp, SellerTermination


class Terms(TypedDict):
    """The fields of a contract that `PaymentTerms` determines."""

    make_up: MakeUp | None
    indexation: Indexation
    seller_termination: SellerTermination | None
    delay_damages: DelayDamages | None
    long_stop: LongStop | None


def terms_of(given: PaymentTerms) -> Terms:
    """Return the terms that a scenario gives to a contract; what is off by its keys is none."""
    return Terms(
        make_up=MakeUp(months=given.makeup_months) if given.makeup_months else None,
        indexation=indexation_of(given),
        seller_termination=_seller_termination(given),
        delay_damages=_delay_damages(given),
        long_stop=_long_stop(given),
    )


def indexation_of(given: PaymentTerms) -> Indexation:
    """Return how a price moves."""
    least, most = given.price_change_least_per_year, given.price_change_most_per_year
    return Indexation(
        escalator_per_year=given.escalator_per_year,
        index=given.price_index,
        least_per_year=-1.0 if least is None else least,
        most_per_year=math.inf if most is None else most,
    )


def _seller_termination(given: PaymentTerms) -> SellerTermination | None:
    if given.seller_termination_months is None:
        return None
    return SellerTermination(
        fee_months=given.seller_termination_months, notice_months=given.seller_notice_months
    )


def _delay_damages(given: PaymentTerms) -> DelayDamages | None:
    if not given.delay_share:
        return None
    return DelayDamages(
        cure_days=given.delay_cure_days, share=given.delay_share, cap_share=given.delay_cap_share
    )


def _long_stop(given: PaymentTerms) -> LongStop | None:
    if given.long_stop_months is None:
        return None
    return LongStop(months=given.long_stop_months, delivered_share=given.long_stop_share)

"""What the pages say about refusals of the metering ledger."""

from kernel.base.error_messages import register_messages

register_messages(
    {
        "already_superseded": "A newer cost supersedes it already.",
        "not_open": "Its call is {status}: nothing can be added to it.",
        "part_of_no_unit": "What a quantity is a part of must be another quantity of the price, which is a part of none itself.",
        "price_exists": "A price for the same names begins at the same moment.",
        "prices_nothing": "A price needs quantities, an amount for each call, or a markup.",
        "tier_bounds": "The bounds of tiers must ascend, and the last tier has none.",
        "units_with_markup": "A price has quantities or a markup, not both.",
        "wrong_status": "A call that is {status} can't be {wanted}.",
    }
)

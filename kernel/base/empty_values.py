"""What pages of the office show in place of a value that isn't there."""

from django.utils.safestring import mark_safe

# A dash that nobody takes for the sign of an amount.
NOTHING = "–"
# Below the amounts of its column, which are aligned right.
NO_AMOUNT = mark_safe('<span class="money">–</span>')

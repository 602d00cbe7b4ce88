"""Refuses new commands of a site whose monthly budget is used up. Commands under way end as usual."""

from dataclasses import dataclass
from decimal import Decimal

from sitewright.contracts.error_codes import ErrorCode, ErrorInfo
from sitewright.contracts.records import SiteEntry
from sitewright.tables.spending import Spending, month_of


@dataclass(frozen=True)
class MonthlyBudget:
    """The look at what a site has spent."""

    spending: Spending

    def refusal(self, site: SiteEntry, now: int) -> ErrorInfo | None:
        """Returns the reason why the site takes no new command at `now` (ms); None if it does."""
        budget = site.monthly_budget_usd
        if budget is None:
            return None
        month = month_of(now)
        spent = self.spending.of_month(site.client_id, month)
        if spent < Decimal(str(budget)):
            return None
        message = f"the model has cost ${spent:.2f} in {month} (UTC), and the site's monthly budget is ${budget:.2f}"
        return ErrorInfo.of(ErrorCode.MONTHLY_BUDGET_EXCEEDED, message)
